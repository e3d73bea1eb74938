"""The operator's console: `server` answers commands on a Unix socket, `client` is the program `wcs`."""
