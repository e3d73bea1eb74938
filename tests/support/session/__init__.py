"""Clients of the WebSDK and their sessions, over real sockets or in memory."""
