"""The settings of a running server: read from file and command line, checked against the machine, read again later.

What a setting is, and what its text means, is in `config`.
"""
