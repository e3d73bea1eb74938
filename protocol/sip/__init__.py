"""A SIP user agent without I/O (RFC 3261): messages, digest, transactions, dialogs, registrations, calls."""
