"""The version of the server."""

VERSION = "0.2.0"
