"""A link to a Redis whose clock jumps: scripts are those that nodes send, but for the clock that they read.

    await redis.command("SET", SKEW, "3600")        seconds; negative ones are a jump back

The ids of a stream go by it as they go by that of Redis: never back.
"""

from typing import Final, TypeVar

from attrs import evolve

from actors.cluster.registry.link import Call, ClusterLink
from actors.runtime.actor import Request
from protocol.cluster.scripts import Script

R = TypeVar("R")

SKEW: Final = "tests:skew"
_CLOCK: Final = """
local function skewed_time()
  local t = redis.call('TIME')
  return {string.format('%.0f', t[1] + (redis.call('GET', 'tests:skew') or 0)), t[2]}
end
local function next_id(key)
  local t = skewed_time()
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  local ms, number = string.match(last and last[1] or '0-0', '(%d+)-(%d+)')
  if tonumber(ms) >= now then return ms .. '-' .. string.format('%.0f', number + 1) end
  return string.format('%.0f', now) .. '-0'
end
"""
_TIME, _NEXT_ID = "redis.call('TIME')", "'*', 'm'"


class SkewedLink(ClusterLink):
    """See above."""

    async def ask(self, request: Request[R], *, timeout: float) -> R:
        if isinstance(request, Call) and request.script is not None:
            request.script = _skewed(request.script)
        return await super().ask(request, timeout=timeout)


def _skewed(script: Script) -> Script:
    text = script.text.replace(_TIME, "skewed_time()").replace(_NEXT_ID, "next_id(KEYS[2]), 'm'")
    return script if text == script.text else evolve(script, text=_CLOCK + text)
