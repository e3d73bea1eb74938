"""How descriptors are shared: what sessions leave is enough for hooks, and for REST and the operator beside them."""

import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.net.accept import Reserve, hook_connections


@given(limit=st.integers(64, 1_000_000))
def test_hooks_leave_room_for_rest_and_the_operator_when_sessions_have_taken_theirs(limit: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(resource, "getrlimit", lambda which: (limit, limit))
        left_by_sessions = sum(Reserve.SESSIONS.is_touched_by(descriptor) for descriptor in _last(limit))
        kept_by_http = sum(Reserve.HTTP.is_touched_by(descriptor) for descriptor in _last(limit))
        assert left_by_sessions - hook_connections() - kept_by_http >= min(64, limit // 16)


def _last(limit: int) -> range:
    return range(max(0, limit - 2_000), limit)


def test_without_a_limit_hooks_have_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert 100 < hook_connections() < 10_000
    assert not Reserve.SESSIONS.is_touched_by(1_000_000)
