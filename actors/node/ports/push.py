"""What the web service needs to have publications pushed to RTMP servers."""

from typing import Protocol

from attrs import field, frozen

from actors.node.ports.refusals import NotHere
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.rest.resources.pushes import PushOrder, PushSearch, PushSound


class PushRefused(Exception):
    """No push begins, or not with that sound. `info` says why; `setting` names the limit, "" if it is none."""

    def __init__(self, info: str, setting: str = "") -> None:
        super().__init__(f"{info} (setting {setting})" if setting else info)
        self.info = info
        self.setting = setting


class UnusableTarget(Exception):
    """The URL names nothing that can be pushed to; the text says why, without the URL."""


class NothingToPush(NotHere):
    """No publication matches, or none whose media flows."""


class AlreadyPushed(Exception):
    """The publication is being pushed to this URL."""


class NoSuchPush(NotHere):
    """There is no push of this id, or none that the caller may see."""


class NoSuchSound(Exception):
    """There is no such file in the folder of sounds, or none that can be played."""


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
    """Pushes of publications, which queries choose. What acts on them raises NodesSilent, too: see `NotHere`."""

    @property
    def here(self) -> "PushPort":
        """Those of this node alone."""

    async def start(self, query: StreamFilter, order: PushOrder) -> PushDescription:
        """Begin. Raises UnusableTarget, NothingToPush, AlreadyPushed, NoSuchSound or PushRefused."""

    async def find(self, query: StreamFilter, search: PushSearch) -> Found[PushDescription]:
        """Those that run and match, of the publications that match."""

    async def stop(self, query: StreamFilter, push: str) -> None:
        """End one. Raises NoSuchPush."""

    async def mute(self, query: StreamFilter, push: str, *, is_muted: bool) -> None:
        """Silence in the place of the sound, or no longer. Raises NoSuchPush."""

    async def sound_on(self, query: StreamFilter, push: str, sound: PushSound) -> None:
        """Have a file heard in the place of the sound. Raises NoSuchPush, NoSuchSound or PushRefused."""

    async def sound_off(self, query: StreamFilter, push: str) -> None:
        """The published sound is heard again. Raises NoSuchPush."""


class LocalPushPort(PushPort, Protocol):
    """Those of one node, and what other nodes ask of it."""

    def has(self, push: str) -> bool:
        """Whether a push of this id runs here."""
