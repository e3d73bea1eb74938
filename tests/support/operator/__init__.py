"""The operator's console and the programs that reach it: `wcs`, SSH, a terminal."""
