"""The program `wcs`, beside the server or anywhere: standard library only, so that it starts at once."""
