"""What a push does: from RTP to RTMP."""
