"""Between a session and its client's socket.

In: `client_socket` and `metered_socket` (the WebSocket, counted), `receive_quota` (how much may come), `reading` (texts
become frames in the session's mailbox). Out: `writing` (frames become texts), `outbox` (what waits). `pinging`: whether
the client is still there.
"""
