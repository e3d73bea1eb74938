"""Who may use the REST API: logins, tokens, and the audit file. What they mean is in `protocol/access/`."""
