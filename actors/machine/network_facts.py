"""What other machines say when the doctor asks them: the backends of the applications, and a STUN server.

A backend is only connected to, with TLS if its URL says so; no hook is sent. `wcs test app NAME` sends one.
"""

import secrets
import ssl
from collections.abc import Iterable
from typing import Final

import httpx
import trio

from actors.hooks.connections.connection import TlsFailed, connect, port_of
from actors.hooks.connections.tls import client_context
from actors.hooks.echo import is_echo
from actors.net.resolver import Resolver
from config.apps import App
from config.doctor import BackendFacts, StunFacts
from config.settings import Settings
from protocol.webrtc import stun

PATIENCE: Final = 5.0
"""Seconds for each of them."""
AT_A_TIME: Final = 20
MOST_BACKENDS: Final = 200
"""Different ones that are asked; those of further applications are not."""
STUN_PORT: Final = 3478
_RESEND: Final = 0.5
_MOST_BYTES: Final = 1500


async def ask_backends(settings: Settings, apps: Iterable[App]) -> tuple[BackendFacts, ...]:
    """Connect to the backend of each application, each one once. In the order of the applications."""
    wanted = {str(_origin(app.url)): app for app in reversed([*apps]) if not is_echo(app.url)}
    backends = [(name, app) for name, app in reversed(wanted.items())][:MOST_BACKENDS]
    faults: dict[str, str | None] = {}
    limiter, resolver = trio.CapacityLimiter(AT_A_TIME), Resolver()
    try:
        tls = client_context(settings.rest_ca_file, insecure=settings.rest_insecure_tls)
    except OSError:  # the checks of the start tell of that file
        return ()

    async def ask(name: str) -> None:
        async with limiter:
            faults[name] = await _fault(httpx.URL(name), resolver, tls)

    async with trio.open_nursery() as nursery:
        for name, _ in backends:
            nursery.start_soon(ask, name)
    return tuple(BackendFacts(app=app.name, address=name, fault=faults[name]) for name, app in backends)


def _origin(url: str) -> httpx.URL:
    parsed = httpx.URL(url)
    return httpx.URL(scheme=parsed.scheme, host=parsed.host, port=port_of(parsed))


async def _fault(url: httpx.URL, resolver: Resolver, tls: ssl.SSLContext) -> str | None:
    """Why the backend cannot be reached; None if it can."""
    with trio.move_on_after(PATIENCE):
        try:
            (await connect(url, resolver, tls)).close()
        except TlsFailed as error:
            return f"{error}; see rest_ca_file"
        except (httpx.HTTPError, OSError) as error:
            return str(error) or type(error).__name__
        return None
    return f"no connection within {PATIENCE:g} s"


async def ask_stun(server: str) -> StunFacts:
    """Which address a STUN server (HOST or HOST:PORT) sees requests of this machine come from (RFC 8489)."""
    host, _, port = server.rpartition(":") if server.count(":") == 1 or "]:" in server else (server, "", "")
    try:
        with trio.move_on_after(PATIENCE):
            return StunFacts(server=server, address=await _mapped(host.strip("[]"), int(port or STUN_PORT)))
    except (OSError, ValueError, OverflowError, stun.StunError) as error:
        return StunFacts(server=server, fault=str(error))
    return StunFacts(server=server, fault=f"no answer within {PATIENCE:g} s")


async def _mapped(host: str, port: int) -> str:
    ((family, _, _, _, target), *_) = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_DGRAM)
    transaction = secrets.token_bytes(stun.TRANSACTION_ID_SIZE)
    with trio.socket.socket(family, trio.socket.SOCK_DGRAM) as udp:
        await udp.connect(target)
        while True:
            await udp.send(stun.build_plain_request(transaction))
            with trio.move_on_after(_RESEND):
                message = stun.parse(await udp.recv(_MOST_BYTES))
                if message.transaction_id == transaction and message.xor_mapped_address is not None:
                    return message.xor_mapped_address[0]
