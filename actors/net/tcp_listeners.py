"""Listening TCP sockets and their TLS, opened before anything serves on them.

Every service is given an opened socket: the ready line can name the port the system chose, and a port in use stops the
start before half of the server runs.
"""

import errno
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from config.listeners import ListenerKeys

BACKLOG = 1024
"""Connections that may be waiting to be accepted; the system may allow fewer (net.core.somaxconn)."""


class ListenerError(Exception):
    """A socket or certificate cannot be used. The message names the setting to look at."""


def open_listener(
    address: str | None,
    port: int,
    *,
    keys: ListenerKeys,
    user_timeout: float,
    listens: bool = True,
    shared: bool = False,
) -> socket.socket:
    """Listen on `address` (None: every address, IPv6 and IPv4 together where the machine has both) and `port` (0: any).

    `keys` are named in errors. After `user_timeout` seconds without an acknowledgement
    the system drops an accepted connection, both of a peer that has vanished and of one that is alive but does not
    read (RFC 5482; accepted sockets inherit the option).
    Without `listens` the port is only taken, and connections are refused until `listen` is called.
    `shared`: further processes of the same user may listen there too (SO_REUSEPORT); a connection goes to one of them.
    Raises ListenerError.
    """
    options = _Options(user_timeout=user_timeout, listens=listens, shared=shared)
    if address is not None:
        return _bind(address, port, keys, options)
    try:
        return _bind("::", port, keys, options)
    except _NoSuchAddress:
        return _bind("0.0.0.0", port, keys, options)


def server_tls(
    certificate: Path, key: Path, *, protocols: Sequence[str], client_ca: Path | None = None
) -> ssl.SSLContext:
    """TLS 1.2 and up with this PEM certificate chain and key, offering `protocols` by ALPN. Raises ListenerError.

    With `client_ca` (PEM), clients may show a certificate, which must come from one of these authorities.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(protocols))
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _KeyEncrypted:
        remedy = f"decrypt it: openssl pkey -in {key} -out PLAIN_KEY"
        raise ListenerError(f"wss.key={key}: is encrypted; {remedy}") from None
    except (OSError, ssl.SSLError) as error:
        raise ListenerError(f"wss.cert={certificate}, wss.key={key}: cannot be used for TLS: {error}") from error
    if client_ca is not None:
        _ask_for_certificates(context, client_ca)
    return context


class _KeyEncrypted(Exception):
    """The private key needs a password."""


def _no_password() -> str:
    raise _KeyEncrypted  # instead of asking on a terminal


def _ask_for_certificates(context: ssl.SSLContext, client_ca: Path) -> None:
    context.verify_mode = ssl.CERT_OPTIONAL
    try:
        context.load_verify_locations(client_ca)
    except (OSError, ssl.SSLError) as error:
        raise ListenerError(f"https.client_ca={client_ca}: cannot be used: {error}") from error


@frozen(kw_only=True)
class _Options:
    user_timeout: float
    listens: bool
    shared: bool


class _NoSuchAddress(ListenerError):
    """The machine does not have this address, or no addresses of this family."""


def _bind(address: str, port: int, keys: ListenerKeys, options: _Options) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _explained(error, address, port, keys) from error
    try:
        _set_options(listener, address, options)
        listener.bind((address, port))
        if options.listens:
            listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _explained(error, address, port, keys) from error
    return listener


def _set_options(listener: socket.socket, address: str, options: _Options) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(options.shared))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(options.user_timeout * 1000))
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)


def _explained(error: OSError, address: str, port: int, keys: ListenerKeys) -> ListenerError:
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return ListenerError(f"{keys.port}={port}: another program, perhaps another wcsd, listens on {where}")
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return _NoSuchAddress(f"{keys.address}={address}: this machine does not have that address")
        case errno.EACCES:
            return ListenerError(f"{keys.port}={port}: this user may not listen there; try a port from 1024 up")
    return ListenerError(f"{keys.address}={address}, {keys.port}={port}: {error.strerror}")
