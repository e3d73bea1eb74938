"""The scripts of the shared tables (see `protocol.cluster.rows`), and their replies decoded.

    wcs:rows         hash        `table key` -> `version expires text`
    wcs:rows:order   sorted set  `table key` -> place of its latest change
    wcs:rows:last    hash        table -> place of its latest change; `*` -> of any
    wcs:rows:expiry  sorted set  `table key` -> when it is removed, in ms of Redis's clock

A removed row is a row without a text, which is kept for TOMBSTONE_DAYS: a node that does not run for longer than that
brings its rows back. A row that is none, written by another program, hinders no other: it is as one that is not there.
"""

from typing import Any, Final

from attrs import frozen

from protocol.cluster.rows import MOST_ROWS_AT_ONCE, TOMBSTONE_MS, RowName, RowPage, SharedRow
from protocol.cluster.scripts import Script, UnexpectedReply, reply_integer, reply_texts

_KEYS: Final = ("wcs:rows", "wcs:rows:order", "wcs:rows:last", "wcs:rows:expiry", "wcs:boot")
_PUT: Final = f"""
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
local place = tonumber(redis.call('HGET', KEYS[3], '*') or '0') or 0
local function next_place(least)
  place = math.max(place + 1, now, least)
  redis.call('HSET', KEYS[3], '*', whole(place))
  return place
end
local function put(field, version, expires, text, at)
  if text == '' and expires == 0 then expires = now + {TOMBSTONE_MS} end
  redis.call('HSET', KEYS[1], field, whole(version) .. ' ' .. whole(expires) .. ' ' .. text)
  redis.call('ZADD', KEYS[2], whole(at), field)
  redis.call('HSET', KEYS[3], string.match(field, '^%S*'), whole(at))
  if expires > 0 then redis.call('ZADD', KEYS[4], whole(expires), field) else redis.call('ZREM', KEYS[4], field) end
end
for _, field in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', whole(now), 'LIMIT', 0, 100)) do
  redis.call('HDEL', KEYS[1], field)
  redis.call('ZREM', KEYS[2], field)
  redis.call('ZREM', KEYS[4], field)
end
"""

READ_ROWS: Final = Script(
    # place, a value for boot
    text=f"""
redis.call('SET', KEYS[5], ARGV[2], 'NX')
local reply = {{redis.call('GET', KEYS[5])}}
local page = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, {MOST_ROWS_AT_ONCE})
for i = 1, #page, 2 do
  reply[#reply + 1] = page[i]
  reply[#reply + 1] = string.format('%.0f', page[i + 1])
  reply[#reply + 1] = redis.call('HGET', KEYS[1], page[i]) or ''
end
return reply
""",
    keys=_KEYS,
)

CHANGE_ROWS: Final = Script(
    # boot, table, place, channel, message; then a field, when it expires and a text for each row
    text=_PUT
    + """
if redis.call('GET', KEYS[5]) ~= ARGV[1] then return {'lost'} end
if tonumber(redis.call('HGET', KEYS[3], ARGV[2]) or '0') > tonumber(ARGV[3]) then return {'behind'} end
local version = next_place(0)
for i = 6, #ARGV, 3 do
  place = version + (i - 6) / 3
  put(ARGV[i], version, tonumber(ARGV[i + 1]), ARGV[i + 2], place)
end
redis.call('HSET', KEYS[3], '*', whole(place))
redis.call('PUBLISH', ARGV[4], '- ' .. ARGV[5])
return {'done', whole(version)}
""",
    keys=_KEYS,
)
"""Changes rows of one table, unless anybody has changed it after the place up to which this node has read."""

MERGE_ROWS: Final = Script(
    # boot, channel, message; then a field, a version, when it expires and a text for each row
    text=_PUT
    + """
if redis.call('GET', KEYS[5]) ~= ARGV[1] then return {'lost'} end
local merged = 0
for i = 4, #ARGV, 4 do
  local version = tonumber(ARGV[i + 1])
  local before = redis.call('HGET', KEYS[1], ARGV[i])
  local known, expires, text = string.match(before or '', '^(%d+) (%d+) (.*)$')
  known = tonumber(known)
  local counts = not known or version > known or (version == known and version > 0 and ARGV[i + 3] > text)
  if counts then
    local at = next_place(version)
    put(ARGV[i], version > 0 and version or at, tonumber(ARGV[i + 2]), ARGV[i + 3], at)
    merged = merged + 1
  elseif not redis.call('ZSCORE', KEYS[2], ARGV[i]) then
    put(ARGV[i], known, tonumber(expires), text, next_place(known))
    merged = merged + 1
  end
end
if merged > 0 then redis.call('PUBLISH', ARGV[2], '- ' .. ARGV[3]) end
return {'done', whole(place)}
""",
    keys=_KEYS,
)
"""Rows of any tables, each if it counts more than the one that is there. One that was never shared gets a version.

A row that is there without a place, because Redis has lost the order alone, gets one.
"""

TAKE_ROW: Final = Script(
    # field, channel, message
    text=_PUT
    + """
local before = redis.call('HGET', KEYS[1], ARGV[1])
local version, expires, text = string.match(before or '', '^(%d+) (%d+) (.*)$')
if not version or text == '' then return '' end
local at = next_place(tonumber(version) + 1)
put(ARGV[1], at, tonumber(expires), '', at)
redis.call('PUBLISH', ARGV[2], '- ' .. ARGV[3])
return text
""",
    keys=_KEYS,
)
"""Removes a row, and returns its text: of several who ask at once, one gets it."""


@frozen(kw_only=True)
class Written:
    """What became of rows that were sent."""

    version: int = 0
    is_lost: bool = False
    """Redis has lost its data: nothing was written."""
    is_behind: bool = False
    """Another node has changed the table: nothing was written."""


def field_of(name: RowName) -> str:
    """How a row is called in Redis."""
    return f"{name.table} {name.key}"


def decode_page(reply: Any) -> RowPage:
    """The reply of READ_ROWS. Raises UnexpectedReply."""
    boot, *values = reply_texts(reply, 1)
    if len(values) % 3:
        raise UnexpectedReply("a row in parts")
    rows, faulty = [], []
    place, triples = 0, list(zip(values[::3], values[1::3], values[2::3], strict=True))
    for field, score, value in triples:
        try:
            place = max(place, reply_integer(score))
            rows += [(_name(field), _row(value))] if value else []
        except UnexpectedReply:
            faulty.append(_name(field))
    is_last = len(triples) < MOST_ROWS_AT_ONCE or not place
    return RowPage(boot=boot, rows=tuple(rows), place=place, is_last=is_last, faulty=tuple(faulty))


def decode_written_rows(reply: Any) -> Written:
    """The reply of CHANGE_ROWS or MERGE_ROWS. Raises UnexpectedReply."""
    fate, *rest = reply_texts(reply, 1)
    if fate == "done" and rest:
        return Written(version=reply_integer(rest[0]))
    if fate not in ("lost", "behind"):
        raise UnexpectedReply(fate[:100])
    return Written(is_lost=fate == "lost", is_behind=fate == "behind")


def _name(field: str) -> RowName:
    table, _, key = field.partition(" ")
    return RowName(table, key)


def _row(value: str) -> SharedRow:
    version, _, rest = value.partition(" ")
    expires, _, text = rest.partition(" ")
    return SharedRow(text=text or None, version=reply_integer(version), expires=reply_integer(expires))
