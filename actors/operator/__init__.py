"""The operator's commands: `server` takes them on a Unix socket, `commands` carries them out.

They come from the program `wcs` and, through a helper process, from `ssh`.
"""
