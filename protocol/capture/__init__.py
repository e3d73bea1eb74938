"""Names of streams that are URIs of sources outside: what they say, which are allowed, and how they are shown."""
