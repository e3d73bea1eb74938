"""What a capture does: from FFmpeg's packets to RTP."""
