"""The WCS methods that this server does not have, and what serves in their place.

A call to one of them gets a 501 that says so, while an unknown path gets a 404. Anyone migrating a backend from WCS can
see at once whether the path is mistyped or the function is missing.
"""

from collections.abc import Mapping
from typing import Final

_OTHER_SERVERS: Final = "nodes of a cluster play each other's streams; /rtsp/startup, /pull/rtmp/pull bring in others"
_BESIDE_OTHERS: Final = "players can play both streams, and a room shows its members side by side"

INSTEAD: Final[Mapping[str, str]] = {
    "api": "pages call by the WebSDK, programs by /call/startup",
    "call": "/call/find, startup, terminate, send_dtmf and inject_... are there; pages transfer and hold their calls",
    "cdn": "several servers are one cluster (cluster.redis_url)",
    "hls": "pages play by WebRTC: the WebSDK, /embed_player, or WHEP (/whep/NAME)",
    "mixer": f"{_BESIDE_OTHERS}; /multipleRecorder/startup records streams together",
    "openapi_spec": "the description is at /rest-api/openapi.json",
    "pull/find_all": _OTHER_SERVERS,
    "pull/pull": _OTHER_SERVERS,
    "pull/push": "/push/startup sends a stream to an RTMP server; nodes of a cluster play each other's streams",
    "pull/terminate": _OTHER_SERVERS,
    "stream/inject": _BESIDE_OTHERS,
    "stream/republish": "nodes of a cluster play each other's streams",
    "transcoder": "media is forwarded as it comes; capture.transcode makes H264 of what browsers cannot play",
    "v3": "methods of the same names are under /rest-api, without v3, and answer when they are done",
    "vod": "pages play a file by the name vod://FILE or vod-live://FILE, or by one that /source/add gives it",
}
"""By the path under /rest-api, or its beginning: what an operator may use instead."""


def instead_of(method: str) -> str | None:
    """What serves in the place of `method` (the path under /rest-api) if it is one of WCS that we do not have."""
    parts = method.split("/")
    if method.startswith("openapi"):
        return INSTEAD["openapi_spec"]
    return INSTEAD.get(parts[0]) or INSTEAD.get("/".join(parts[:2]))
