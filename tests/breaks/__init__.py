"""A cluster that breaks, at the speed of real ones: `bin/test long breaks`."""
