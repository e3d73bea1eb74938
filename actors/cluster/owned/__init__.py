"""What one node has: it alone acts on it, whichever node is asked by REST. `owners.py` finds it."""
