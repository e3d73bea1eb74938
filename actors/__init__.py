"""Everything that does I/O: the tasks, sockets and clocks of wcsd, organised as actors and services."""
