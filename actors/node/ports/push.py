"""What the web service needs to have publications pushed to RTMP servers."""

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from protocol.node.filters import StreamFilter


class PushRefused(Exception):
    """No push begins, or not with that sound. `info` says why; `setting` names the limit, "" if it is none."""

    def __init__(self, info: str, setting: str = "") -> None:
        super().__init__(f"{info} (setting {setting})" if setting else info)
        self.info = info
        self.setting = setting


class UnusableTarget(Exception):
    """The URL names nothing that can be pushed to; the text says why, without the URL."""


class NothingToPush(Exception):
    """No publication matches, or none whose media flows."""


class AlreadyPushed(Exception):
    """The publication is being pushed to this URL."""


class NoSuchPush(Exception):
    """There is no push of this id, or none that the caller may see."""


class NoSuchSound(Exception):
    """There is no such file in the folder of sounds, or none that can be played."""


@frozen(kw_only=True)
class PushSound:
    """A file of the folder of sounds, to be heard in the place of what is published."""

    file: str
    loops: bool = False


@frozen(kw_only=True)
class PushOrder:
    """What is pushed where. `is_full`: the URL is whole, else the stream's name there is added; None: a setting."""

    stream_name: str
    url: str = field(repr=False)
    is_full: bool | None = None
    is_muted: bool = False
    sound: PushSound | None = None


@frozen(kw_only=True)
class PushDescription:
    """A push that runs. `shown_url` is without what is secret in it."""

    id: str
    stream_name: str
    """Of the publication."""
    target_name: str
    """What it is called at the target; a key is not told."""
    shown_url: str
    url: str = field(repr=False)
    status: str
    width: int
    height: int
    is_muted: bool
    plays_sound: bool


class PushPort(Protocol):
    """Pushes of publications, which queries choose."""

    async def start(self, query: StreamFilter, order: PushOrder) -> PushDescription:
        """Begin. Raises UnusableTarget, NothingToPush, AlreadyPushed, NoSuchSound or PushRefused."""

    def find_all(self, query: StreamFilter) -> Sequence[PushDescription]:
        """Those that run, of the publications that match."""

    def stop(self, query: StreamFilter, push: str) -> None:
        """End one. Raises NoSuchPush."""

    def mute(self, query: StreamFilter, push: str, *, is_muted: bool) -> None:
        """Silence in the place of the sound, or no longer. Raises NoSuchPush."""

    async def sound_on(self, query: StreamFilter, push: str, sound: PushSound) -> None:
        """Have a file heard in the place of the sound. Raises NoSuchPush, NoSuchSound or PushRefused."""

    def sound_off(self, query: StreamFilter, push: str) -> None:
        """The published sound is heard again. Raises NoSuchPush."""
