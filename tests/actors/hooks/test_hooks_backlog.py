"""What waits before backends: what it weighs, who drops something when it is too much, and that this costs little."""

from collections import Counter
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from actors.hooks.lanes import queued_weight as module
from actors.hooks.lanes.backlog import MAX_WEIGHT, MAX_WEIGHT_OF_ALL, Account, Backlog, WaitingHook
from actors.hooks.lanes.queued_weight import OVERHEAD, Load
from protocol.common.memory_budget import weigh

MEBIBYTE = 1024 * 1024


@define(eq=False)
class Hook:
    """A hook that waits."""

    load: Load
    last: bool = False
    refused: bool = field(init=False, default=False)

    def refuse(self) -> None:
        self.refused = True


@define
class Rig:
    """A backlog with sessions, each of some application."""

    backlog: Backlog
    dropped: list[WaitingHook]
    accounts: dict[str, Account] = field(factory=dict)

    def add(self, name: str, *hooks: Hook, limit: int = 10_000) -> None:
        """Put hooks into the session `application/session`."""
        app, _, _ = name.partition("/")
        account = self.accounts.setdefault(name, self.backlog.account(app, limit=limit))
        for hook in hooks:
            account.add(hook)

    def fill(self, name: str, count: int, size: int = 10, *, last: bool = False, limit: int = 10_000) -> list[Hook]:
        hooks = [Hook(Load(size), last) for _ in range(count)]
        self.add(name, *hooks, limit=limit)
        return hooks


def rig(limit: int = 10_000) -> Rig:
    dropped: list[WaitingHook] = []
    return Rig(Backlog(limit, on_drop=dropped.append), dropped)


def kept(hooks: list[Hook]) -> int:
    return sum(not hook.refused for hook in hooks)


# -- one session -------------------------------------------------------------------------------------------------------


def test_a_session_drops_its_oldest_when_too_much_waits() -> None:
    waiting = rig()
    hooks = waiting.fill("a/1", 40, MEBIBYTE)
    assert [hook.refused for hook in hooks] == [True] * 8 + [False] * 32
    assert waiting.backlog.dropped == len(waiting.dropped) == 8
    assert waiting.backlog.weight == MAX_WEIGHT


def test_a_session_drops_its_oldest_when_too_many_wait() -> None:
    waiting = rig()
    hooks = waiting.fill("a/1", 5, limit=3)
    assert [hook.refused for hook in hooks] == [True, True, False, False, False]


def test_what_tells_of_an_end_stays_while_anything_else_can_go() -> None:
    waiting = rig()
    ends = waiting.fill("a/1", 5, last=True)
    waiting.fill("a/1", 40, MEBIBYTE)
    assert kept(ends) == 5
    assert waiting.backlog.dropped_last == 0


def test_one_that_is_larger_than_the_bound_goes_itself_and_takes_nothing_along() -> None:
    waiting = rig()
    others = waiting.fill("a/1", 5)
    (large,) = waiting.fill("a/1", 1, MAX_WEIGHT + 1)
    assert large.refused
    assert kept(others) == len(waiting.backlog) == 5
    assert waiting.backlog.lengths == [("a", 5)]


def test_what_is_under_way_weighs_and_is_dropped_no_more() -> None:
    waiting = rig()
    (first,) = waiting.fill("a/1", 1, MAX_WEIGHT - 100)
    account = waiting.accounts["a/1"]
    account.begin(first)
    others = waiting.fill("a/1", 20)
    assert (first.refused, kept(others)) == (False, 10)
    assert len(waiting.backlog) == 10
    account.end(first)
    assert waiting.backlog.weight == 100


# -- all together ------------------------------------------------------------------------------------------------------


def test_beyond_the_sum_the_session_that_holds_the_most_loses() -> None:
    waiting = rig(limit=100)
    quiet = [waiting.fill(f"a/quiet{number}", 3) for number in range(10)]
    flood = waiting.fill("a/flood", 1000)
    assert [kept(hooks) for hooks in quiet] == [3] * 10
    assert kept(flood) == 70
    newcomer = waiting.fill("a/newcomer", 3)
    assert kept(newcomer) == 3


def test_sessions_that_flood_together_leave_the_others_alone() -> None:
    """Each is within its own bound; together they are not."""
    waiting = rig()
    quiet = waiting.fill("a/quiet", 20, 1000)
    floods = [waiting.fill(f"a/flood{number}", 30, MEBIBYTE) for number in range(30)]
    assert kept(quiet) == 20
    assert waiting.backlog.weight <= MAX_WEIGHT_OF_ALL
    left = [kept(hooks) for hooks in floods]
    assert max(left) <= 2 * min(left) + 2


def test_beyond_the_sum_the_application_that_holds_the_most_loses() -> None:
    """One has a thousand sessions with little each before a dead backend, the other has a slow backend."""
    waiting = rig(limit=2000)
    slow = waiting.fill("slow/1", 50)
    ends = waiting.fill("slow/2", 5, last=True)
    dead = [waiting.fill(f"dead/{number}", 5, last=number % 2 == 0) for number in range(1000)]
    assert (kept(slow), kept(ends)) == (50, 5)
    assert sum(map(kept, dead)) == 2000 - 55
    assert waiting.backlog.dropped_last == 555  # for what told of no end was gone
    assert all(hook.last for hooks in dead for hook in hooks if not hook.refused)


def test_in_an_application_what_tells_of_an_end_goes_last_whoever_holds_the_most() -> None:
    waiting = rig(limit=100)
    ends = waiting.fill("a/many", 90, last=True)
    plain = [waiting.fill(f"a/{number}", 1) for number in range(20)]
    assert kept(ends) == 90
    assert sum(map(kept, plain)) == 10


# -- weights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [[[]] * 10_000, [{}] * 10_000, [0] * 10_000, {"a": [[], {}] * 5000}])
def test_what_is_empty_weighs_too(payload: Any) -> None:
    assert Backlog(1, on_drop=list[WaitingHook]().append).load_of({"payload": payload}).whole >= weigh(payload)


def test_what_hooks_share_weighs_once_for_all_and_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: Counter[int] = Counter()

    def counting(value: Any) -> int:
        looked[id(value)] += 1
        return weigh(value)

    monkeypatch.setattr(module, "weigh", counting)
    waiting = rig()
    payload, sdp = {"cells": list(range(1000))}, "v=0\r\n" * 1000
    for number in range(2000):
        body = {"sessionId": f"session{number}", "payload": payload, "sdp": sdp, "custom": {"token": number}}
        waiting.add(f"a/{number}", Hook(waiting.backlog.load_of(body)))
    assert looked[id(payload)] == looked[id(sdp)] == 1
    assert waiting.dropped == []
    alone = weigh(payload) + weigh(sdp)
    assert alone < waiting.backlog.weight < alone + 2000 * 2 * OVERHEAD
    for account in waiting.accounts.values():
        account.drop_oldest()
    assert waiting.backlog.weight == 0


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add last", "add shared", "begin", "end", "remove"]),
        st.sampled_from(["a/1", "a/2", "b/1"]),
        st.integers(1, 200),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_sums_stay_right_whatever_happens(actions: list[tuple[str, str, int]]) -> None:
    waiting = rig(limit=8)
    held: dict[str, list[Hook]] = {}
    under_way: dict[str, list[Hook]] = {}
    for action, name, size in actions:
        account_hooks = [hook for hook in held.get(name, []) if not hook.refused]
        if action.startswith("add"):
            shared = ((7, 100),) if action == "add shared" else ()
            hook = Hook(Load(size, shared), last=action == "add last")
            waiting.add(name, hook, limit=5)
            held[name] = [*account_hooks, hook]
        elif action == "end" and under_way.get(name):
            waiting.accounts[name].end(under_way[name].pop())
        elif action in ("begin", "remove") and account_hooks:
            hook, *held[name] = account_hooks
            if action == "begin":
                waiting.accounts[name].begin(hook)
                under_way.setdefault(name, []).append(hook)
            else:
                waiting.accounts[name].remove(hook)
    waits = [hook for hooks in held.values() for hook in hooks if not hook.refused]
    everything = waits + [hook for hooks in under_way.values() for hook in hooks]
    assert len(waiting.backlog) == len(waits) <= 8
    shares = 100 if any(hook.load.shared for hook in everything) else 0
    assert waiting.backlog.weight == sum(hook.load.own for hook in everything) + shares
    for name, account in waiting.accounts.items():
        mine = [hook for hook in held.get(name, []) if not hook.refused]
        assert len(account) == len(mine) <= 5
