"""Routes about calls by SIP."""
