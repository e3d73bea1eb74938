"""Where a publication's packets come from: a WebRTC peer, another node, a worker that captures, a phone."""
