"""Where a publication's packets come from: today a WebRTC peer."""
