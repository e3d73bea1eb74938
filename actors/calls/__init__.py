"""Calls by SIP: the endpoint that all share, and the registrations of pages."""
