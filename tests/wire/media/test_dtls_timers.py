"""What DTLS does about lost flights. OpenSSL reads its own clock, so this takes its first timeout of one second."""

import trio

from protocol.webrtc.dtls import DtlsEndpoint
from protocol.webrtc.dtls_state import DtlsState
from tests.support.webrtc.dtls_pairs import carry, exchange, make_pair, states


def up_to_the_final_flight() -> tuple[DtlsEndpoint, DtlsEndpoint]:
    """Bring the server up while its last flight, and so the client's end of the handshake, is lost."""
    server, client = make_pair()
    for sender, receiver in ((client, server), (server, client), (client, server)):
        carry(sender, receiver)
    assert server.take_datagrams()
    assert states(server, client) == (DtlsState.UP, DtlsState.HANDSHAKING)
    return server, client


async def test_lost_flights_are_repeated_when_their_timer_runs_out() -> None:
    hello_lost = make_pair()
    assert hello_lost[1].take_datagrams()
    answer_lost = make_pair()
    carry(answer_lost[1], answer_lost[0])
    assert answer_lost[0].take_datagrams()
    final_lost = up_to_the_final_flight()
    pairs = (hello_lost, answer_lost, final_lost)
    timers = [timeout for pair in pairs for end in pair if (timeout := end.next_timeout()) is not None]
    assert len(timers) == 4  # every client, and the server whose answer was lost
    await trio.sleep(max(timers) + 0.01)
    for server, client in pairs:
        server.handle_timeout()
        client.handle_timeout()
        exchange(server, client)
        assert states(server, client) == (DtlsState.UP, DtlsState.UP)
        assert server.next_timeout() is None
