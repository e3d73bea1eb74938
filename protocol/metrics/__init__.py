"""What `/metrics` shows: its families, and the counts that parts of the server keep for it. Plain ints, no I/O."""
