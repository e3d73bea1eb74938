"""The foundation of every part: the actor, deadlines, slices of work, overload, logs and signals."""
