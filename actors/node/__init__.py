"""This server as one node: its streams and sessions, the names in use, and what REST can do with all of them."""
