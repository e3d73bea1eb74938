"""Two DTLS endpoints in one process, and a hand that carries datagrams between them."""

from collections.abc import Callable, Sequence

from protocol.webrtc.dtls import MAX_DATAGRAM, DtlsContext, DtlsEndpoint
from protocol.webrtc.dtls_state import DtlsState
from protocol.webrtc.sdp import Fingerprint
from protocol.webrtc.srtp import SrtpKeys

SERVER = DtlsContext.create()
CLIENT = DtlsContext.create()


def make_pair(
    *,
    server: DtlsContext = SERVER,
    client: DtlsContext = CLIENT,
    expected: Sequence[Fingerprint] | None = None,
) -> tuple[DtlsEndpoint, DtlsEndpoint]:
    """Give a server and a client that has its first flight ready; the server expects the client's fingerprint."""
    wanted = (client.fingerprint,) if expected is None else expected
    return DtlsEndpoint(server, wanted), DtlsEndpoint(client, (server.fingerprint,), role="client")


def carry(sender: DtlsEndpoint, receiver: DtlsEndpoint, passes: Callable[[bytes], bool] = lambda _: True) -> int:
    """Take what `sender` has to say to `receiver`, except where `passes` says no; give the number of datagrams."""
    datagrams = sender.take_datagrams()
    for datagram in datagrams:
        assert 0 < len(datagram) <= MAX_DATAGRAM
        if passes(datagram):
            receiver.feed(datagram)
    return len(datagrams)


def exchange(left: DtlsEndpoint, right: DtlsEndpoint, passes: Callable[[bytes], bool] = lambda _: True) -> None:
    """Carry datagrams to and fro until both ends are silent."""
    while carry(right, left, passes) + carry(left, right, passes):
        pass


def connect(*, server: DtlsContext = SERVER, client: DtlsContext = CLIENT) -> tuple[DtlsEndpoint, DtlsEndpoint]:
    """Give two ends that are up."""
    pair = make_pair(server=server, client=client)
    exchange(*pair)
    assert states(*pair) == (DtlsState.UP, DtlsState.UP)
    return pair


def states(*endpoints: DtlsEndpoint) -> tuple[DtlsState, ...]:
    """Give the states as they are now; a type checker would take an attribute for unchanged."""
    return tuple(endpoint.state for endpoint in endpoints)


def keys_of(endpoint: DtlsEndpoint) -> SrtpKeys:
    """Give the keys of an end that is up."""
    assert endpoint.keys is not None
    return endpoint.keys
