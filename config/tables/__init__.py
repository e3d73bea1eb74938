"""Tables that the server keeps, or an operator writes, as files that people can read and edit (TOML)."""
