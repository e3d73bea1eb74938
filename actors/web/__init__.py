"""The REST API, the statistics and the start page over HTTP and HTTPS."""
