"""What worker processes run. They import no trio and none of the server's parts: only `protocol` and each other.

Each file here is a program; the folders hold what they are made of.
"""
