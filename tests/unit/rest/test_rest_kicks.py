"""The parameters of requests that end something, the requests of `/bans`, and `Idempotency-Key`."""

import json

import pytest

from protocol.access.bans import Ban, BanAction
from protocol.access.kicks import BanBy, Kick
from protocol.rest import idempotency
from protocol.rest.errors import RestError
from protocol.rest.idempotency import MAX_KEYS, MAX_KEYS_PER_CALLER, IdempotencyKeys, fingerprint, read_key
from protocol.rest.resources import bans, connections, streams

# -- reason and ban ----------------------------------------------------------------------------------------------------


def test_nothing_is_asked_for() -> None:
    assert streams.parse_kick({}) is None
    assert streams.parse_kick({"dry_run": "true"}) is None
    assert connections.parse_kick({}) is None


def test_a_reason_alone_bans_nobody() -> None:
    assert streams.parse_kick({"reason": "\u00fcber 18"}) == Kick(reason="\u00fcber 18")


@pytest.mark.parametrize(
    ("ban", "seconds"), [("1s", 1), ("30s", 30), ("10m", 600), ("2h", 7200), ("30d", 30 * 86400), ("2592000s", 2592000)]
)
def test_a_ban_has_a_time_with_a_unit(ban: str, seconds: float) -> None:
    kick = streams.parse_kick({"ban": ban, "ban_by": "address", "reason": "spam"})
    assert kick is not None
    assert kick.ban is not None
    assert (kick.ban.seconds, kick.ban.by, kick.ban.reason) == (seconds, BanBy.ADDRESS, "spam")


@pytest.mark.parametrize(
    ("parameters", "key"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 257}, "reason"),
        ({"reason": "two\nlines"}, "reason"),
        ({"reason": "\u202ereversed"}, "reason"),
        ({"reason": "\ud800"}, "reason"),
        ({"ban": "30"}, "ban"),
        ({"ban": "0s"}, "ban"),
        ({"ban": "31d"}, "ban"),
        ({"ban": "9999999999s"}, "ban"),
        ({"ban": "-5s"}, "ban"),
        ({"ban": "5 s"}, "ban"),
        ({"ban": "\u0665s"}, "ban"),
        ({"ban": "1w"}, "ban"),
        ({"ban_by": "address"}, "ban_by"),
        ({"ban": "5s", "ban_by": "cookie"}, "ban_by"),
        ({"banby": "address"}, "banby"),
    ],
)
def test_anything_else_is_refused_by_name(parameters: dict[str, str], key: str) -> None:
    for parse in (streams.parse_kick, connections.parse_kick):
        with pytest.raises(RestError) as refused:
            parse(parameters)
        assert refused.value.key == key


def test_a_session_has_no_name_to_ban() -> None:
    assert streams.parse_kick({"ban": "5s", "ban_by": "name"}) is not None
    with pytest.raises(RestError, match="ban_by must be user or address"):
        connections.parse_kick({"ban": "5s", "ban_by": "name"})


# -- bans --------------------------------------------------------------------------------------------------------------

BAN = Ban(
    id="b1", app_key="app", action=BanAction.PLAY, name="news", who="user:alice", created=1.5, until=31.5, reason="spam"
)
TOKEN = Ban(id="b2", app_key="app", action=BanAction.CONNECT, who="token:" + "ab" * 32, created=1, until=2)


def test_how_a_ban_is_shown() -> None:
    assert bans.ban_object(BAN) == {
        "id": "b1",
        "appKey": "app",
        "action": "play",
        "name": "news",
        "who": "user:alice",
        "reason": "spam",
        "createDate": 1500,
        "expireDate": 31500,
    }
    assert bans.ban_object(TOKEN)["who"] == "token:abababababababab"


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"id": "b1"}, [BAN]),
        ({"appKey": "app"}, [BAN, TOKEN]),
        ({"appKey": "other"}, []),
        ({"action": "connect"}, [TOKEN]),
        ({"name": "news"}, [BAN]),
        ({"who": "user:alice"}, [BAN]),
        ({"who": "token:abababababababab"}, [TOKEN]),
        ({"who": "user:alice", "action": "publish"}, []),
    ],
)
def test_bans_are_found_by_every_condition(fields: dict[str, str], found: list[Ban]) -> None:
    for query in (bans.parse_find(fields)[0], bans.parse_remove(json.dumps(fields).encode())):
        assert [ban for ban in (BAN, TOKEN) if query.matches(ban)] == found


def test_a_caller_sees_the_bans_of_its_applications() -> None:
    assert not bans.BanFilter(app_keys=frozenset({"other"})).matches(BAN)
    assert bans.BanFilter(app_keys=frozenset({"app"})).matches(BAN)


@pytest.mark.parametrize("body", [b"{}", b"", b'{"user": "alice"}', b'{"id": null}', b'{"action": "sing"}'])
def test_a_removal_says_which(body: bytes) -> None:
    with pytest.raises(RestError):
        bans.parse_remove(body)


# -- Idempotency-Key ---------------------------------------------------------------------------------------------------

ASKED = fingerprint(b"/path", b"", b"{}")


@pytest.mark.parametrize(
    ("values", "key"), [([], None), (["abc"], "abc"), (['"abc"'], "abc"), ([" a "], "a"), (["x" * 255], "x" * 255)]
)
def test_a_key_is_read(values: list[str], key: str | None) -> None:
    assert read_key(values) == key


@pytest.mark.parametrize("values", [[""], ["a b"], ["x" * 256], ["\u00e9"], ["a", "a"], ['""']])
def test_an_unusable_key_is_refused(values: list[str]) -> None:
    with pytest.raises(RestError) as refused:
        read_key(values)
    assert refused.value.status_hint == 400


def test_requests_are_told_apart_wherever_they_are_cut() -> None:
    assert len({fingerprint(b"a", b"b"), fingerprint(b"ab", b""), fingerprint(b"", b"ab"), fingerprint(b"ab")}) == 4


def test_an_answer_is_found_again_for_ten_minutes() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    assert keys.find("me", "k", ASKED, 0.0) is None
    kept = keys.begin("me", "k", ASKED, 0.0)
    assert keys.find("me", "k", ASKED, 1.0) is kept
    kept.answer = "done"
    assert keys.find("me", "k", ASKED, 599.0) is kept
    assert keys.find("somebody else", "k", ASKED, 599.0) is None
    assert keys.find("me", "k", ASKED, 600.0) is None
    assert len(keys) == 0


def test_another_request_with_the_same_key_is_an_error() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    keys.begin("me", "k", ASKED, 0.0)
    with pytest.raises(RestError) as refused:
        keys.find("me", "k", fingerprint(b"/path", b"", b'{"name": "a"}'), 0.0)
    assert refused.value.status_hint == 422


def test_what_was_not_carried_out_may_be_repeated() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    keys.begin("me", "k", ASKED, 0.0)
    keys.forget("me", "k")
    keys.forget("me", "k")
    assert keys.find("me", "k", ASKED, 0.0) is None


def test_one_caller_displaces_only_its_own_answers() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    keys.begin("modest", "k", ASKED, 0.0).answer = "kept"
    for number in range(2 * MAX_KEYS_PER_CALLER):
        keys.begin("greedy", f"k{number}", ASKED, 0.0).answer = "x"
    assert len(keys) == MAX_KEYS_PER_CALLER + 1
    assert keys.find("modest", "k", ASKED, 0.0) is not None
    assert keys.find("greedy", "k0", ASKED, 0.0) is None


def test_of_all_callers_the_one_with_the_most_loses_its_oldest_answer() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    for number in range(MAX_KEYS_PER_CALLER):
        keys.begin("greedy", f"k{number}", ASKED, 0.0).answer = "x"
    for number in range(MAX_KEYS):
        keys.begin(f"caller{number}", "k", ASKED, 0.0).answer = "x"
    assert len(keys) == MAX_KEYS
    assert keys.find("greedy", "k0", ASKED, 0.0) is None


def test_a_request_being_carried_out_is_never_forgotten() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    for number in range(idempotency.MAX_KEYS_PER_CALLER):
        keys.begin("me", f"k{number}", ASKED, 0.0)
    with pytest.raises(RestError) as refused:
        keys.begin("me", "one more", ASKED, 0.0)
    assert refused.value.status_hint == 503
