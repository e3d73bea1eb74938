"""This server as one node: its streams and sessions, the names in use, and what REST may do with all of them."""
