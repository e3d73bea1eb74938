"""Routes about the server as a whole: its applications, health, counts and events."""
