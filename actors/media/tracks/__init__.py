"""Published media: which SSRC is which track, what comes in, who gets it, and what the publisher is told."""
