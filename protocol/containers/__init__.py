"""From RTP packets to files: order, frames, time, and the Matroska and WebM containers. Nothing is decoded."""
