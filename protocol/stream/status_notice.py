"""What the owner of a stream is told at each new status."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve, frozen

from protocol.node.descriptions import StreamDescription

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@frozen(kw_only=True)
class StatusNotice:
    """A stream at the moment in which it came to the status that it has in `stream`.

    `exclude` and `overwrite` are the backend's wish (`clientExclude`, OVERWRITE), by the names that fields have in
    hooks: what its client must not see, and what it sees instead (None removes a field). Neither touches the stream's
    id and status.
    """

    stream: StreamDescription
    audio_muted: bool | None = None
    """Whether the publisher is muted; None where that is not to be told."""
    video_muted: bool | None = None
    exclude: frozenset[str] = frozenset()
    overwrite: Mapping[str, Any] = _NOTHING

    def as_shown(self, sent: Mapping[str, Any], shown: Mapping[str, Any]) -> "StatusNotice":
        """The notice with the backend's wish: it was `sent` the body of a hook, and this is what it wants `shown`."""
        if shown == sent:
            return self
        changed = {key: value for key, value in shown.items() if sent.get(key) != value}
        return evolve(self, exclude=frozenset(sent.keys() - shown.keys()), overwrite=changed)
