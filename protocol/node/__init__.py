"""How streams and sessions are described from outside, and the filters that select them."""
