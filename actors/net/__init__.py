"""TCP listeners, accepting under a descriptor limit, and the machine's addresses."""
