"""Many WebSocket sessions: idle ones, and data for all of them."""
