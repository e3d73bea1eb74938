"""Registries of a cluster: in memory, and in real redis-servers that can fail."""
