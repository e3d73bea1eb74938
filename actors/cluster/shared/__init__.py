"""What all nodes share: a change on any of them holds on all. `tables.py` carries it, row by row."""
