"""Several nodes: as real servers, and simulated in memory."""
