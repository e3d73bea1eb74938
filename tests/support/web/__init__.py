"""The web service and its clients: REST, events, WHIP, logins."""
