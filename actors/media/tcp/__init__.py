"""Media over TCP (ICE-TCP, RFC 6544): connections that peers open, each a path like any other."""
