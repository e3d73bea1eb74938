"""What the web service needs to publish and play by WHIP and WHEP."""

from typing import Protocol

from attrs import field, frozen


@frozen(kw_only=True)
class WhipRequest:
    """A request to publish or play one stream."""

    published: bool
    """True: WHIP, False: WHEP."""
    name: str
    offer: str = field(repr=False)
    token: str | None = field(repr=False)
    """For the backend, which alone knows whether it is valid."""
    app_key: str
    path: str
    """Where the request came to; the id of the resource is appended to it. Percent-encoded."""
    client: tuple[str, int]
    server: tuple[str, int]
    """Address and port of either side of the HTTP connection."""
    origin: str | None
    user_agent: str | None


@frozen(kw_only=True)
class WhipAnswer:
    """The stream has begun."""

    sdp: str = field(repr=False)
    location: str = field(repr=False)
    """The path of the resource that stands for it: who knows it, and the token, may end the stream."""


class WhipPort(Protocol):
    """Streams that are published by WHIP and played by WHEP. All methods raise RestError."""

    async def open(self, request: WhipRequest) -> WhipAnswer:
        """Begin one, and wait for its answer: at most as long as the backend and the publisher may take.

        If it is cancelled, what has begun is ended. RestError: 400 bad offer or unknown application, 401 refused by the
        backend at `connect`, 403 refused by it later or by a ban, 404 nobody publishes, 406 no common codec,
        409 name taken, 503 no room.
        """

    async def close(self, location: str, token: str | None) -> None:
        """End one for its client. RestError: 401 no token, 403 refused by the backend, 404 gone, 409 wrong token."""


class LocalWhipPort(WhipPort, Protocol):
    """Those of one node, and what other nodes ask of it."""

    async def close_known(self, location: str, digest: bytes) -> None:
        """As `close`; `digest`: `protocol.rest.resources.whip.token_digest` of the token."""
