"""TCP listeners, accepting under a descriptor limit, names and their addresses, and the machine's addresses."""
