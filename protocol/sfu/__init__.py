"""Selective forwarding: tracks, retransmission, key frames, who gets what."""
