"""The WebSDK's signalling protocol over WebSocket."""
