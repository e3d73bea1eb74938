"""Which frames a session takes in which state."""

from collections.abc import Callable

import pytest

from protocol.common.transitions import NoTransition
from protocol.signaling.frame_codec import FrameError, decode
from protocol.signaling.frames import ClientFrame, Connection, Ping, PlayStream, Pong, PublishStream
from protocol.signaling.session_state import Admission, SessionLife, SessionState

TAKE, REFUSE, CLOSE = Admission.TAKE, Admission.REFUSE, Admission.CLOSE
OPEN, CONNECTING, ESTABLISHED, CLOSED = SessionState
PUBLISH = PublishStream(media_session_id="m", sdp="", name="n")
PLAY = PlayStream(media_session_id="m", sdp="", name="n")


def _unusable() -> FrameError:
    with pytest.raises(FrameError) as caught:
        decode("not JSON")
    return caught.value


def _open() -> SessionLife:
    return SessionLife()


def _connecting() -> SessionLife:
    life = _open()
    assert life.admit(Connection()) is TAKE
    return life


def _established() -> SessionLife:
    life = _connecting()
    life.establish()
    return life


@pytest.mark.parametrize(
    ("make", "frame", "admission", "following"),
    [
        (_open, Connection(), TAKE, CONNECTING),
        (_open, Ping(), TAKE, OPEN),
        (_open, Pong(), TAKE, OPEN),
        (_open, PUBLISH, CLOSE, CLOSED),
        (_open, _unusable(), CLOSE, CLOSED),
        (_connecting, Connection(), CLOSE, CLOSED),
        (_connecting, Ping(), TAKE, CONNECTING),
        (_connecting, Pong(), TAKE, CONNECTING),
        (_connecting, PLAY, CLOSE, CLOSED),
        (_connecting, _unusable(), CLOSE, CLOSED),
        (_established, Connection(), REFUSE, ESTABLISHED),
        (_established, Ping(), TAKE, ESTABLISHED),
        (_established, Pong(), TAKE, ESTABLISHED),
        (_established, PUBLISH, TAKE, ESTABLISHED),
        (_established, _unusable(), REFUSE, ESTABLISHED),
    ],
)
def test_a_frame_is_judged_by_its_row(
    make: Callable[[], SessionLife],
    frame: ClientFrame | FrameError,
    admission: Admission,
    following: SessionState,
) -> None:
    life = make()
    assert life.admit(frame) is admission
    assert life.state is following


@pytest.mark.parametrize("make", [_open, _connecting, _established])
def test_a_session_may_end_at_any_time_and_takes_nothing_afterwards(make: Callable[[], SessionLife]) -> None:
    life = make()
    life.close()
    life.close()
    assert life.admit(Ping()) is REFUSE
    assert life.state is CLOSED


@pytest.mark.parametrize("make", [_open, _established])
def test_only_a_client_that_asked_is_let_in(make: Callable[[], SessionLife]) -> None:
    with pytest.raises(NoTransition, match="ACCEPTED in state"):
        make().establish()
