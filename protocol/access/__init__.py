"""Who may do what: roles."""
