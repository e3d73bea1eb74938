"""The SIP agent at work: its sockets, where requests go, registrations, and calls as lines of a phone."""
