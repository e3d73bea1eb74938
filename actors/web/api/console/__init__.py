"""The server's side of the console: its files, its login, its tables, and what its tabs show."""
