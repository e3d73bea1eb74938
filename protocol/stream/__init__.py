"""What a stream is, whatever protocol it was asked for in: its request, its life and statuses, its events."""
