"""Captures: streams that the server itself brings in from cameras, other servers and files.

`captures.py` begins them, within limits, for players and for REST; `capture.py` is one of them, as the owner of its
stream; `sources.py` says how a URI is opened.
"""

from actors.capture.captures import Captures, CaptureServices

__all__ = ["CaptureServices", "Captures"]
