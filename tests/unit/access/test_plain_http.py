"""HTTP in the clear at a port that speaks TLS."""

import h11
import pytest

from protocol.access.plain_http import ANSWER, LONGEST, begins_http


@pytest.mark.parametrize("head", ["GET / HT", "HEAD / H", "POST /re", "OPTIONS ", "PRI * HT", "G", "OPTION"])
def test_requests_are_recognised_by_as_much_as_has_come(head: str) -> None:
    assert begins_http(head.encode()[:LONGEST])


@pytest.mark.parametrize(
    "head", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"\x80.\x01", b"get / ht", b"GETS / H", b"SSH-2.0-", b" GET / H"]
)
def test_nothing_else_is(head: bytes) -> None:
    assert not begins_http(head)


def test_the_answer_is_one_of_http() -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "wcs.example.com")]))
    client.receive_data(ANSWER)
    head, body = client.next_event(), client.next_event()
    assert isinstance(head, h11.Response)
    assert isinstance(body, h11.Data)
    assert (head.status_code, body.data.count(b"\n"), b"TLS" in body.data) == (400, 1, True)
    assert isinstance(client.next_event(), h11.EndOfMessage)
    client.receive_data(b"")
    assert isinstance(client.next_event(), h11.ConnectionClosed)
