"""Processes beside the server: each takes a publication's packets through a tap, and does what may fail or block."""
