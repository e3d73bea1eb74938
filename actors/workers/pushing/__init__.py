"""Pushes of publications to RTMP servers, one process for each connection."""
