"""What is of a page alone: its account and registration (`call_desk`), what it wants, where its calls wait for it."""
