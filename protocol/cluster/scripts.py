"""What is carried out inside Redis, each in one step: the texts in Lua, and their replies decoded.

    wcs:nodes  sorted set  member -> end of its lease, in ms of Redis's clock
    wcs:info   hash        member -> `place info`
    wcs:names  hash        name of a publication -> `member mediaSessionId`
    wcs:rooms  hash        a room, as [application's key, name] -> `member id`
    wcs:singles hash       what there is one of, as [kind, key] -> `member id`
    wcs:seq    hash        member -> number of the last batch of claims that was carried out
    wcs:rseq   hash        the same for batches of rooms
    wcs:sseq   hash        the same for batches of singles
    wcs:log    stream      requests that must reach every node, also one that is cut off for a while
    wcs:boot   string      random: another value than before means that the data was lost
    wcs:epoch  string      the last epoch given to a member

Only commands that Redis 7 and Valkey have. Times are those of Redis, so that no node's clock matters.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve, frozen

from protocol.cluster.claims import BatchFate, BatchReply, ClaimSpace, Holder
from protocol.cluster.members import Beat, Member, MemberInfo

MAX_LOG: Final = 10_000
"""Requests that the log keeps, more or less."""
LOG_PAGE: Final = 500
"""Of those, how many are read at once."""
PURGED_AT_ONCE: Final = 500
_NUMBERS_OF: Final = {
    ClaimSpace.PUBLICATIONS: "wcs:seq",
    ClaimSpace.ROOMS: "wcs:rseq",
    ClaimSpace.SINGLES: "wcs:sseq",
}
_NUMBERS: Final = tuple(_NUMBERS_OF.values())
_MAX_DIGITS: Final = 20
"""Of 64 bits."""
_MAX_LOG_ID: Final = 2 * _MAX_DIGITS + 1


class UnexpectedReply(Exception):
    """Redis replied something that these scripts do not: another program uses its keys."""


@frozen(kw_only=True)
class Script:
    """A Lua script and the keys it works on."""

    text: str
    keys: tuple[str, ...]


_NOW: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function alive(member)
  local lease = redis.call('ZSCORE', KEYS[1], member)
  return lease and tonumber(lease) > now
end
"""

JOIN: Final = Script(
    # node, place, info, lease in ms
    text=_NOW
    + """
local epoch = math.max(tonumber(redis.call('GET', KEYS[3]) or '0') + 1, now)
redis.call('SET', KEYS[3], string.format('%.0f', epoch))
local prefix = ARGV[1] .. '/'
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(member, 1, #prefix) == prefix then
    local info = redis.call('HGET', KEYS[2], member) or ''
    if string.match(info, '^%S*') == ARGV[2] then
      redis.call('ZADD', KEYS[1], 0, member)
      redis.call('HDEL', KEYS[2], member)
    end
  end
end
local member = prefix .. string.format('%.0f', epoch)
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[4]), member)
redis.call('HSET', KEYS[2], member, ARGV[2] .. ' ' .. ARGV[3])
return {member, string.format('%.0f', now)}
""",
    keys=("wcs:nodes", "wcs:info", "wcs:epoch"),
)
"""A node starts. An earlier start at the same place is over, even if its lease runs: the state folder has a lock.

The next beat of any node sweeps it, as if it had been away for long, so that its names are removed.
"""

BEAT: Final = Script(
    # member, place, info, lease in ms, ms until swept, a value for boot
    text=_NOW
    + """
local kept = alive(ARGV[1]) and 1 or 0
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[4]), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
redis.call('SET', KEYS[4], ARGV[6], 'NX')
local marks = redis.call('GET', KEYS[4])
for _, hash in ipairs({KEYS[3], KEYS[9], KEYS[10], KEYS[11]}) do
  redis.call('HSETNX', hash, '', ARGV[6])
  marks = marks .. ' ' .. redis.call('HGET', hash, '')
end
redis.call('ZADD', KEYS[12], 'NX', string.format('-%.0f', now), '')
marks = marks .. ' ' .. redis.call('ZSCORE', KEYS[12], '')
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[5]))
for _, member in ipairs(dead) do
  redis.call('ZREM', KEYS[1], member)
  redis.call('HDEL', KEYS[2], member)
  redis.call('HDEL', KEYS[6], member)
  redis.call('HDEL', KEYS[7], member)
  redis.call('HDEL', KEYS[8], member)
end
local last = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)
local reply = {string.format('%.0f', now), kept, marks, redis.call('HLEN', KEYS[3]) - 1,
  last[1] and last[1][1] or '0-0', #dead}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')) do
  reply[#reply + 1] = member
  reply[#reply + 1] = redis.call('HGET', KEYS[2], member) or ''
end
return reply
""",
    keys=(
        *("wcs:nodes", "wcs:info", "wcs:names", "wcs:boot", "wcs:log", *_NUMBERS, "wcs:rooms", "wcs:singles"),
        *("wcs:rows", "wcs:rows:order"),
    ),
)
"""Each table has a mark, in the field without a name: a Redis that loses one key alone is found out by it, too.

That of `wcs:rows:order` is a place before the first one.
"""

WRITE: Final = Script(
    # member, number, how many releases, then a name and an id for each release and each claim
    text=_NOW
    + """
local me = ARGV[1]
if tonumber(ARGV[2]) <= tonumber(redis.call('HGET', KEYS[3], me) or '0') then return {'stale'} end
redis.call('HSET', KEYS[3], me, ARGV[2])
local claims = 4 + 2 * tonumber(ARGV[3])
for i = 4, claims - 2, 2 do
  if redis.call('HGET', KEYS[2], ARGV[i]) == me .. ' ' .. ARGV[i + 1] then redis.call('HDEL', KEYS[2], ARGV[i]) end
end
if not alive(me) then return {'fenced'} end
local reply = {'done'}
for i = claims, #ARGV, 2 do
  local value = redis.call('HGET', KEYS[2], ARGV[i])
  local owner = value and string.match(value, '^%S*')
  if not owner or owner == me or not alive(owner) then
    redis.call('HSET', KEYS[2], ARGV[i], me .. ' ' .. ARGV[i + 1])
    reply[#reply + 1] = ''
  else
    reply[#reply + 1] = value
  end
end
return reply
""",
    keys=("wcs:nodes", "wcs:names", "wcs:seq"),
)
"""A batch of claims and releases; see `protocol.cluster.claims`."""

LOCATE: Final = Script(
    # name
    text=_NOW
    + """
local value = redis.call('HGET', KEYS[2], ARGV[1])
if value and alive(string.match(value, '^%S*')) then return value end
return ''
""",
    keys=("wcs:nodes", "wcs:names"),
)

SEND: Final = Script(
    # channel, text, 1 to log it
    text=_NOW
    + f"""
local id = '-'
if ARGV[3] == '1' then id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', {MAX_LOG}, '*', 'm', ARGV[2]) end
redis.call('PUBLISH', ARGV[1], id .. ' ' .. ARGV[2])
local reply = {{id}}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')) do
  reply[#reply + 1] = member
end
return reply
""",
    keys=("wcs:nodes", "wcs:log"),
)
"""A request to all members: the reply lists them."""

READ_LOG: Final = Script(
    # an id: what comes after it
    text=f"""
local reply = {{}}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', {LOG_PAGE + 1})) do
  if entry[1] ~= ARGV[1] then
    reply[#reply + 1] = entry[1]
    reply[#reply + 1] = entry[2][2]
  end
end
return reply
""",
    keys=("wcs:log",),
)

PURGE: Final = Script(
    # cursor
    text=f"""
local page = redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', {PURGED_AT_ONCE})
for i = 1, #page[2], 2 do
  if page[2][i] ~= '' and not redis.call('ZSCORE', KEYS[1], string.match(page[2][i + 1], '^%S*')) then
    redis.call('HDEL', KEYS[2], page[2][i])
  end
end
return page[1]
""",
    keys=("wcs:nodes", "wcs:names"),
)
"""Removes the names of members that have been swept. The reply is the next cursor; 0: that was the last page."""

LEAVE: Final = Script(
    # member
    text="""
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
""",
    keys=("wcs:nodes", "wcs:info"),
)
"""A node ends. The next beat of another one sweeps it: a name that it could not give back is removed."""


@frozen
class SpaceScripts:
    """The scripts for one kind of names."""

    write: Script
    locate: Script
    purge: Script

    @classmethod
    def of(cls, space: ClaimSpace) -> "SpaceScripts":
        names, numbers = f"wcs:{space.value}", _NUMBERS_OF[space]
        return cls(
            evolve(WRITE, keys=("wcs:nodes", names, numbers)),
            evolve(LOCATE, keys=("wcs:nodes", names)),
            evolve(PURGE, keys=("wcs:nodes", names)),
        )


SPACES: Final = {space: SpaceScripts.of(space) for space in ClaimSpace}

# -- replies -----------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Joined:
    """The name of a new member, and Redis's clock in ms."""

    member: str
    now_ms: int


@frozen(kw_only=True)
class Sent:
    """A request to all has been sent: its id in the log, if it is there, and the members alive."""

    log_id: str | None
    members: tuple[str, ...]


@frozen
class LogEntry:
    """A request in the log."""

    id: str
    text: str


def decode_joined(reply: Any) -> Joined:
    member, now = _texts(reply, 2)
    return Joined(member=member, now_ms=_integer(now))


def decode_beat(reply: Any) -> Beat:
    values = _texts(reply, 6)
    pairs = zip(values[6::2], values[7::2], strict=False)
    return Beat(
        now_ms=_integer(values[0]),
        kept=values[1] == "1",
        boot=values[2],
        names=_integer(values[3]),
        last_log_id=values[4],
        swept=_integer(values[5]),
        members=tuple(Member(name=name, info=MemberInfo.decode(info.partition(" ")[2])) for name, info in pairs),
    )


def decode_written(reply: Any, claims: int) -> BatchReply:
    fate, *holders = _texts(reply, 1)
    if fate not in set(BatchFate._value2member_map_) or len(holders) != (claims if fate == "done" else 0):
        raise UnexpectedReply(fate[:100])
    return BatchReply(fate=BatchFate(fate), holders=tuple(Holder.decode(each) if each else None for each in holders))


def decode_located(reply: Any) -> Holder | None:
    value = _text(reply)
    return Holder.decode(value) if value else None


def decode_sent(reply: Any) -> Sent:
    log_id, *members = _texts(reply, 1)
    return Sent(log_id=None if log_id == "-" else log_id, members=tuple(members))


def decode_log(reply: Any) -> tuple[LogEntry, ...]:
    values = _texts(reply, 0)
    return tuple(LogEntry(each, text) for each, text in zip(values[::2], values[1::2], strict=False))


def decode_cursor(reply: Any) -> int:
    return _integer(_text(reply))


def log_time(log_id: str) -> float:
    """When a request was logged, in ms of Redis's clock; -inf for what is no id."""
    milliseconds = log_id.partition("-")[0]
    return float(milliseconds) if milliseconds.isascii() and milliseconds.isdecimal() else -math.inf


def is_log_id(text: str) -> bool:
    """Whether this is the id of an entry in the log."""
    milliseconds, _, number = text.partition("-")
    return len(text) <= _MAX_LOG_ID and text.isascii() and milliseconds.isdecimal() and number.isdecimal()


def log_order(log_id: str) -> tuple[int, int]:
    """Ids of the log in their order."""
    milliseconds, _, number = log_id.partition("-")
    return _integer(milliseconds), _integer(number or "0")


def _texts(reply: Any, at_least: int) -> list[str]:
    if not isinstance(reply, Sequence) or isinstance(reply, str | bytes) or len(reply) < at_least:
        raise UnexpectedReply(type(reply).__name__)
    return [_text(value) for value in reply]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str | int):
        return str(value)
    raise UnexpectedReply(type(value).__name__)


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS or not text.isascii() or not text.isdecimal():
        raise UnexpectedReply(text[:100])
    return int(text)


reply_texts, reply_integer = _texts, _integer
"""For the scripts of other files."""
