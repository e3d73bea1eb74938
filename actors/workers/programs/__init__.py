"""What worker processes run. They import no trio and none of the server's parts: only `protocol` and each other."""
