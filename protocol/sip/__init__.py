"""A SIP user agent without I/O (RFC 3261): `user_agent` takes commands and messages, and gives events and messages.

`message_router` hands each message to its transaction, its call or its registration.
"""
