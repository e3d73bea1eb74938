"""Assembles the server: what it opens, how its parts are connected, and the order in which they start and stop.

opening     settings, state folder, sockets: everything that can fail before there is a server
parts       all parts, and what each is given of the others
web         what the listeners for HTTP serve
server      the order of start and shutdown
"""

from actors.server.opening import CannotStart
from actors.server.server import Server

__all__ = ["CannotStart", "Server"]
