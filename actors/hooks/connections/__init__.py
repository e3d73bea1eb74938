"""The HTTP client underneath: connections to each backend host, bounded and shared in turn.

`transport` holds and hands out each `connection`; `tls` is what is trusted, and `start_pacer` says when calls to one
host start.
"""
