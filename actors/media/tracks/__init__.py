"""A published track, and where its packets go. Nothing here knows peers, sockets or encryption."""
