"""Forwarded media: what a packet costs and how late it is, beside other servers, and through bad networks."""
