"""What the owner of a stream is told at each new status."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve, frozen

from protocol.node.descriptions import StreamDescription

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@frozen(kw_only=True)
class StatusNotice:
    """A snapshot of a stream, taken when it reached the status in `stream`.

    `exclude` and `overwrite` hold what the backend asked for (`clientExclude`, OVERWRITE), by the fields' names in
    hooks: what the client must not see, and what it sees instead (None removes a field). Neither affects the stream's
    id or status.
    """

    stream: StreamDescription
    audio_muted: bool | None = None
    """Whether the publisher is muted; None where that should not be reported."""
    video_muted: bool | None = None
    record_name: str | None = None
    """The file that a recorded stream leaves; at its end only."""
    exclude: frozenset[str] = frozenset()
    overwrite: Mapping[str, Any] = _NOTHING

    def as_shown(self, sent: Mapping[str, Any], shown: Mapping[str, Any]) -> "StatusNotice":
        """The notice with the backend's changes: `sent` is the hook's body, `shown` is what the client should see."""
        if shown == sent:
            return self
        changed = {key: value for key, value in shown.items() if sent.get(key) != value}
        return evolve(self, exclude=frozenset(sent.keys() - shown.keys()), overwrite=changed)
