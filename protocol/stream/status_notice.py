"""What the owner of a stream is told at each new status."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from attrs import evolve, frozen

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class SeenByOwner(Protocol):
    """What a status says of its stream. A `StreamDescription` has it, and a `StreamView` has nothing else."""

    @property
    def media_session_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def published(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def info(self) -> str | None: ...
    @property
    def has_video(self) -> bool: ...
    @property
    def has_audio(self) -> bool: ...
    @property
    def record(self) -> bool: ...
    @property
    def media_provider(self) -> str: ...
    @property
    def bitrate(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def quality(self) -> int: ...


@frozen
class StreamView:
    """As `SeenByOwner`, for much less than a description: of thousands that end, all owners are told first."""

    media_session_id: str
    name: str
    published: bool
    status: str
    info: str | None
    has_video: bool
    has_audio: bool
    record: bool
    media_provider: str
    bitrate: int
    width: int
    height: int
    quality: int


@frozen(kw_only=True)
class StatusNotice:
    """A snapshot of a stream, taken when it reached the status in `stream`.

    `exclude` and `overwrite` hold what the backend asked for (`clientExclude`, OVERWRITE), by the fields' names in
    hooks: what the client must not see, and what it sees instead (None removes a field). Neither affects the stream's
    id or status.
    """

    stream: SeenByOwner
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
