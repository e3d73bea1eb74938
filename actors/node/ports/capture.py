"""What the web service needs to have sources captured."""

from typing import Final, Protocol

from attrs import field, frozen

from actors.node.ports.refusals import NotHere
from actors.runtime.actor import StopReason
from protocol.capture.uri import CaptureScheme, CaptureUri
from protocol.rest.paging import Found

NAME_IN_USE: Final = "name"


class AlreadyCaptured(Exception):
    """This URI is being captured; or, if that is its `detail`, the name is in use (`NAME_IN_USE`)."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class NoSuchCapture(NotHere):
    """This URI is not being captured."""


class AmbiguousCapture(Exception):
    """Several URIs look like this one, without their secrets. `names`: of their streams."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(f"several captures look like this: {', '.join(names)}")
        self.names = names


class CaptureFailed(Exception):
    """The source cannot be captured. `info` is what players are told, `detail` says more."""

    def __init__(self, info: str, detail: str) -> None:
        super().__init__(f"{info} ({detail})" if detail else info)
        self.info = info
        self.detail = detail


@frozen(kw_only=True)
class CaptureDescription:
    """A capture that runs. `status`: PLAYING, or PENDING while its source is connected to."""

    key: str
    """The same for all captures of one URI, whatever is shown of it."""
    uri: str = field(repr=False)
    name: str
    status: str
    media_session_id: str
    has_audio: bool
    has_video: bool
    node_id: str


class CapturePort(Protocol):
    """Captures. What acts on them raises NodesSilent if a node of the cluster may have them that does not answer."""

    @property
    def here(self) -> "CapturePort":
        """Those of this node alone."""

    async def start(self, uri: CaptureUri, name: str) -> None:
        """Capture a source under a name, with or without players, and wait until its media flows.

        One that players have begun goes on without them from then on. Raises AlreadyCaptured or CaptureFailed.
        """

    async def find(self, schemes: frozenset[CaptureScheme]) -> Found[CaptureDescription]:
        """Those of URIs with one of these schemes; of one node, oldest first."""

    async def terminate(self, uri: str, schemes: frozenset[CaptureScheme], reason: StopReason) -> None:
        """End the capture of a URI, and with it its players. Raises NoSuchCapture or AmbiguousCapture."""


class LocalCapturePort(CapturePort, Protocol):
    """Those of one node, and what other nodes ask of it."""

    async def keep(self, uri: CaptureUri, name: str) -> None:
        """As `start`, of a URI that is being captured here. Raises NoSuchCapture if it is not."""
