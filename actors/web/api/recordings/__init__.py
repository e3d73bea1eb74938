"""Routes about recordings: begun and ended, alone and in groups, and their files."""
