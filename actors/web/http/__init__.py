"""The HTTP/1.1 server below the routes: connections, deadlines, limits."""
