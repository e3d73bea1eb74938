"""What happens on this server, for programs that watch it."""
