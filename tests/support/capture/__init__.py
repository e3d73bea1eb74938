"""Sources that are captured: a camera, and names that must not be opened."""
