"""The WCS methods that this server does not have.

A call of one of them is answered 501 and says so, where a path that nobody knows is answered 404: whoever moves a
backend over from WCS sees at once whether the path is mistyped or the function is missing.
"""

GROUPS = frozenset({"api", "call", "cdn", "mixer", "pull", "push", "rtsp"})
"""Whole groups, by the first part of the path under /rest-api."""

METHODS = frozenset(
    {
        "stream/snapshot",
        "stream/startRecording",
        "stream/stopRecording",
        "stream/event/send",
        "data/send",
        "connection/set_log_level",
    }
)
"""Single methods of groups that we have in part."""


def is_unsupported(method: str) -> bool:
    """Whether `method` (the path under /rest-api, without slashes around) is one of WCS that we do not have."""
    return method in METHODS or method.partition("/")[0] in GROUPS
