"""Symmetric RTP, and who is not let in."""

import pytest

from protocol.calls.latching import SSRC_SILENCE, WINDOW, Latch

SAID = ("8.8.4.4", 4000)
ELSEWHERE = ("8.8.4.4", 4010)
SERVER = "8.8.8.8"
STRANGER = ("9.9.9.9", 6666)


def latch(address: tuple[str, int] = SAID) -> Latch:
    made = Latch(frozenset({SERVER}))
    made.describe(address, 0.0)
    return made


def test_nothing_is_taken_before_there_is_an_sdp() -> None:
    assert not Latch().admits(SAID, 1, 0.0)


@pytest.mark.parametrize(
    ("address", "source", "admitted"),
    [
        (SAID, SAID, True),
        (SAID, ELSEWHERE, True),
        (SAID, (SERVER, 9), True),
        (SAID, STRANGER, False),
        (("10.0.0.7", 4000), STRANGER, True),
        (("pbx.example", 4000), STRANGER, False),
    ],
)
def test_who_may_be_the_phone(address: tuple[str, int], source: tuple[str, int], admitted: bool) -> None:
    assert latch(address).admits(source, 1, 1.0) is admitted


@pytest.mark.parametrize(("signalling", "is_sent_to"), [(SERVER, False), ("10.0.0.1", True)])
def test_a_private_address_is_sent_to_where_sip_is_private_too_or_packets_came(
    signalling: str, is_sent_to: bool
) -> None:
    made, private = Latch(frozenset({signalling})), ("10.0.0.7", 4000)
    made.describe(private, 0.0)
    assert made.target == (private if is_sent_to else None)
    assert made.admits(private, 1, 60.0)
    made.take(private, 1, 60.0)
    assert made.target == private
    assert not made.admits(STRANGER, 1, 60.1)


def test_one_other_source_is_taken_and_then_fixed() -> None:
    made = latch()
    made.take(ELSEWHERE, 1, 1.0)
    assert made.target == ELSEWHERE
    assert made.admits(ELSEWHERE, 1, 60.0)
    assert not made.admits(SAID, 1, 1.1)
    assert not made.admits((SERVER, 9), 1, 1.1)


def test_a_phone_that_is_where_its_sdp_says_is_not_looked_for_elsewhere() -> None:
    private = ("10.0.0.7", 4000)
    made = Latch(frozenset({"10.0.0.1"}))
    made.describe(private, 0.0)
    made.take(private, 1, 1.0)
    assert not made.admits(STRANGER, 1, 1.1)
    assert made.target == private


def test_later_than_the_window_nothing_moves() -> None:
    made = latch()
    assert not made.admits(ELSEWHERE, 1, WINDOW)
    assert made.admits(SAID, 1, WINDOW)


def test_another_sdp_opens_the_window_again_and_forgets_nothing_it_need_not() -> None:
    made = latch()
    made.take(ELSEWHERE, 1, 1.0)
    made.describe(SAID, 20.0)
    assert made.target == ELSEWHERE
    assert made.admits((SERVER, 9), 2, 21.0)
    made.describe((SERVER, 5000), 30.0)
    assert made.target == (SERVER, 5000)
    assert made.admits((SERVER, 5000), 3, 31.0)


def test_an_ssrc_stays_while_it_is_heard() -> None:
    made = latch()
    made.take(SAID, 1, 1.0)
    assert not made.admits(SAID, 2, 1.1)
    assert made.admits(SAID, 2, 1.1 + SSRC_SILENCE)
