"""What every worker has: how its process begins, its control lines, its actor, its end of a tap."""
