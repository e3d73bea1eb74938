"""SIP messages, from bytes to what they mean: header fields, bodies, descriptions of media, digest."""
