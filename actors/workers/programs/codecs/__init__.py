"""Pictures and sound, decoded, scaled, resampled and encoded: all that PyAV does for several programs."""
