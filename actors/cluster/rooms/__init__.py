"""What rooms need of the cluster: who has a room, and messages between its node and those of its members."""
