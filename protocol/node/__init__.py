"""What streams and sessions look like from outside, and the filters that choose among them."""
