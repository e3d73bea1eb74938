"""Who may do what (roles), and who is really calling when a proxy is in between."""
