"""When a publisher is asked for a key frame."""

import math

from protocol.sfu import keyframe_requests as limits
from protocol.sfu.keyframe_requests import KeyFrameRequests, ViewerRequests


def test_the_first_request_goes_at_once() -> None:
    requests = KeyFrameRequests()
    assert not requests.due(1.0)
    requests.request(1.0)
    assert requests.due(1.0)


def test_a_thousand_viewers_make_a_few_requests() -> None:
    requests = KeyFrameRequests()
    sent = 0
    for number in range(1000):
        now = number / 1000
        requests.request(now)
        sent += requests.due(now)
    assert sent == math.ceil(1 / limits.MIN_REQUEST_INTERVAL)


def test_a_request_that_comes_too_soon_is_deferred_not_lost() -> None:
    requests = KeyFrameRequests()
    requests.request(1.0)
    requests.due(1.0)
    requests.arrived(1.0)
    requests.request(1.1)
    assert not requests.due(1.1)
    assert requests.deadline == 1.0 + limits.MIN_REQUEST_INTERVAL
    assert requests.due(requests.deadline)


def test_a_request_is_repeated_until_a_key_frame_comes() -> None:
    requests = KeyFrameRequests()
    requests.request(1.0)
    requests.due(1.0)
    assert requests.due(1.0 + limits.RETRY_INTERVAL)
    requests.arrived(2.0)
    assert requests.deadline == math.inf
    assert not requests.due(99.0)


def test_one_viewer_cannot_command_key_frames() -> None:
    requests, own = KeyFrameRequests(), ViewerRequests()
    sent = 0
    for number in range(10_000):
        now = number / 1000
        requests.request(now, not_before=own.not_before(now))
        if requests.due(now):
            sent += 1
            requests.arrived(now)
    assert sent <= 2 * 10 / limits.MIN_VIEWER_INTERVAL


def ask(requests: KeyFrameRequests, now: float, answered_after: float) -> bool:
    """A request and its answer; whether such answers are slow."""
    requests.request(now)
    assert requests.due(now)
    requests.arrived(now + answered_after)
    return requests.are_answered_slowly


def test_a_publisher_that_takes_its_time_is_known_for_it_and_may_become_faster() -> None:
    requests = KeyFrameRequests()
    requests.arrived(0.5)
    assert not requests.are_answered_slowly, "that one was not asked for"
    assert [ask(requests, float(now), 0.9) for now in range(1, 5)] == [False, False, True, True]
    assert [ask(requests, float(now), 0.05) for now in range(5, 12)].index(False) == 4


def test_the_time_to_an_answer_counts_from_the_first_request() -> None:
    requests = KeyFrameRequests()
    requests.request(1.0)
    requests.due(1.0)
    requests.due(1.0 + limits.RETRY_INTERVAL)
    requests.arrived(1.1 + limits.RETRY_INTERVAL)
    assert requests.delay == limits.LONGEST_ANSWER


def test_a_publisher_that_was_silent_once_is_not_slow_for_long() -> None:
    requests = KeyFrameRequests()
    for now in range(1, 6):
        assert not ask(requests, float(now), 0.1)
    ask(requests, 10.0, 3600.0)
    answers = [ask(requests, float(now), 0.1) for now in range(4000, 4004)]
    assert answers == [False] * 4
