"""Backends, well-behaved or not, and dispatchers that call them."""
