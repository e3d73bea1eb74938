"""The WCS methods that this server does not have.

A call to one of them gets a 501 that says so, while an unknown path gets a 404. Anyone migrating a backend from WCS can
see at once whether the path is mistyped or the function is missing.
"""

GROUPS = frozenset({"api", "call", "cdn", "mixer"})
"""Whole groups, by the first part of the path under /rest-api."""

METHODS = frozenset(
    {
        "pull/find_all",
        "pull/pull",
        "pull/push",
        "pull/terminate",
    }
)
"""Single methods of groups that we partly support."""


def is_unsupported(method: str) -> bool:
    """Whether `method` (the path under /rest-api, without surrounding slashes) is a WCS method that we do not have."""
    return method in METHODS or method.partition("/")[0] in GROUPS
