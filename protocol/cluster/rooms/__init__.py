"""Rooms whose members are on several nodes: what these tell each other, and what each knows of a room."""
