"""Calls to backends: what they cost, what sick backends cost others, and whether any is lost in outages."""
