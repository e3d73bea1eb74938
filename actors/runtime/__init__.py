"""What every part stands on: the actor, deadlines, slices of work, overload, logs and signals."""
