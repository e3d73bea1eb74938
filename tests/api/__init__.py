"""The REST API of a running server, tried by what its own OpenAPI document says."""
