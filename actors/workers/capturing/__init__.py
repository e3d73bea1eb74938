"""Sources brought in: one process for each connection, and the way by which it reaches what a page names."""
