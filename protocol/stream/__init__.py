"""Streams, independent of the protocol that requested them: request, life cycle, statuses and events."""
