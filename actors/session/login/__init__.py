"""How a session begins and ends for its backend, and who its client is."""
