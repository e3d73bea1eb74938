"""Pages in real browsers: the unmodified SDK, the console."""
