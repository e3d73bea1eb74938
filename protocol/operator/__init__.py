"""The language of `bin/wcs`: its syntax, its commands, and the messages on the operator's socket."""
