"""The WebSDK's signalling language over WebSocket."""
