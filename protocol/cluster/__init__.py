"""Several nodes that are one server to its clients: who is in, who holds which name, what is asked and answered."""
