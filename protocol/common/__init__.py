"""What all protocols share: strict JSON decoding, limits, errors, suggestions for misspelled names."""
