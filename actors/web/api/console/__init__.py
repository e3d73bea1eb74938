"""The server's side of its pages: the console's files, login, tables and tabs, and the player for other sites."""
