"""The registry: what a node asks of Redis, in `registry.py` and `rows.py`, and how it is asked."""
