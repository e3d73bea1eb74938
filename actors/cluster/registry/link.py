"""The one owner of the connection to Redis.

What coredis 6.9 does when something fails, and what is done here about it:

- A command that was cancelled or timed out may leave its connection unusable and its place in the pool taken for ever.
  So only plain commands are sent, each one script or PUBLISH, nothing that blocks and no pipeline; those who ask may go
  away, the command goes on in a task that is not cancelled; and a client that has failed once is replaced by a new one.
- It repeats commands by itself, so that they might be carried out twice: not here. Who asks decides.
- It goes on using a connection that leads nowhere: `max_idle_time` ends one on which nothing arrives.
"""

import hashlib
import ssl
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any, ClassVar, TypeVar

import trio
from attrs import define
from coredis import Redis
from coredis.exceptions import NoScriptError

from actors.cluster.registry.redis_client import (
    NO_ANSWER,
    LinkFailed,
    ScriptRefused,
    one_kind_of_failure,
    open_client,
)
from actors.cluster.registry.registry import RegistryUnavailable
from actors.runtime.actor import Actor, Request, StopReason
from actors.runtime.timeouts import fail_after
from protocol.cluster.redis_url import RedisUrl
from protocol.cluster.scripts import Script

R = TypeVar("R")

MOST_CALLS = 256
"""Calls under way; a further one fails at once."""
CLOSE_TIMEOUT = 1.0
"""Seconds for the end of a connection."""
MOST_URGENT = 32
"""Calls besides, of those that must not wait behind others: beats among them."""


@define(eq=False, kw_only=True)
class Call(Request[Any]):
    """Carry out a script; PUBLISH, if there is none. `is_urgent`: also when there are as many calls as may be."""

    script: Script | None
    arguments: tuple[str | int, ...]
    is_urgent: bool = False


class ClusterLink(Actor[Call]):
    """See above. Ask it with a `Call`: the answer is Redis's reply, or RegistryUnavailable."""

    mailbox_size: ClassVar[int] = 64

    def __init__(self, url: RedisUrl, *, timeout: float, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.url = url
        self.timeout = timeout
        self.tls = tls
        """Whom to trust, where the URL says `rediss:`; made once, for it takes long."""
        self.clients = 0
        """How many have been opened."""
        self.failures = 0
        self._calls = 0
        self._has_answered = False
        self._holder: _OpenClient | None = None

    def __repr__(self) -> str:
        return f"ClusterLink({self.url})"

    async def ask(self, request: Request[R], *, timeout: float) -> R:
        """As any actor. While it works, a call waits for no turn of ours, for it has a task of its own anyway."""
        if not isinstance(request, Call) or self._nursery is None or self.reason is not None:
            return await super().ask(request, timeout=timeout)
        with fail_after(timeout):
            self._begin(request)
            answer: R = await request.answer()
            return answer

    async def do(self, call: Call) -> Any:
        """As `ask`, but in the caller's task, which is not cancelled meanwhile: for what nobody waits for."""
        if self._nursery is None or self.reason is not None:
            raise RegistryUnavailable("the link ends")
        with trio.CancelScope(shield=True):
            if self._admits(call):
                await self._carry_out(call)
        return await call.answer()

    async def handle(self, message: Call) -> None:
        self._begin(message)

    def _begin(self, call: Call) -> None:
        if self._admits(call):
            self.nursery.start_soon(self._carry_out, call)

    def _admits(self, call: Call) -> bool:
        if self._calls >= MOST_CALLS + (MOST_URGENT if call.is_urgent else 0):
            call.fail(RegistryUnavailable("too many calls at a time"))
            return False
        self._calls += 1  # now, for others may begin before the task of this one runs
        return True

    async def _carry_out(self, call: Call) -> None:
        """What has been admitted."""
        holder = None
        try:
            with one_kind_of_failure(), fail_after(self.timeout):
                holder = await self._held_client()
                call.reply(await _evaluate(holder.client, call))
                self._has_answered = True
        except ScriptRefused as error:
            call.fail(RegistryUnavailable(str(error)))
        except LinkFailed as error:
            self.failures += 1
            self._discard(holder)
            call.fail(RegistryUnavailable(self._told(error if holder is None else holder.failed(error))))
        finally:
            self._calls -= 1
            call.fail(RegistryUnavailable("the link ends"))  # unless it has been answered

    async def _held_client(self) -> "_OpenClient":
        if self._holder is None:
            self._holder = holder = _OpenClient(self)
            self.clients += 1
            self.nursery.start_soon(self._hold, holder)
        holder = self._holder
        if not holder.opened.is_set():  # waiting for it would cost a turn of the loop, each time
            await holder.opened.wait()
        if holder.error is not None:
            raise holder.error
        return holder

    async def _hold(self, holder: "_OpenClient") -> None:
        try:
            with one_kind_of_failure():
                await holder.run()
        except (LinkFailed, ScriptRefused) as error:
            holder.error = LinkFailed(str(error))
        finally:
            holder.opened.set()
            self._discard(holder)

    def _told(self, error: Exception) -> str:
        """What has failed, for operators. A Redis without TLS waits for the end of the first words of TLS."""
        is_suspect = self.url.tls and not self._has_answered and str(error) == NO_ANSWER
        return f"{error}: does Redis speak TLS there?" if is_suspect else str(error)

    def _discard(self, holder: "_OpenClient | None") -> None:
        """The next call opens a new client."""
        if holder is None:
            holder = self._holder
        if holder is not None:
            holder.closing.set()
            if self._holder is holder:
                self._holder = None

    def teardown(self, reason: StopReason) -> None:
        self._discard(None)

    def open_client(self) -> "AbstractAsyncContextManager[Redis[bytes]]":
        """A client for one purpose."""
        return open_client(self.url, self.timeout, self.tls)


class _OpenClient:
    """A client and its life: coredis wants it to be entered and left in one task."""

    def __init__(self, link: ClusterLink) -> None:
        self.opened, self.closing = trio.Event(), trio.Event()
        self.error: Exception | None = None
        self._link = link
        self._client: Redis[bytes] | None = None

    @property
    def client(self) -> "Redis[bytes]":
        if self._client is None:
            raise RuntimeError("the client is not open")
        return self._client

    def failed(self, error: Exception) -> Exception:
        """A call has failed; the error of the first one that did. Those of others tell of its consequences only."""
        self.error = self.error or error
        return self.error

    async def run(self) -> None:
        with trio.CancelScope() as scope:
            async with self._link.open_client() as self._client:
                self.opened.set()
                await self.closing.wait()
                scope.deadline = trio.current_time() + CLOSE_TIMEOUT


async def _evaluate(client: "Redis[bytes]", call: Call) -> Any:
    script = call.script
    if script is None:
        return await client.publish(*map(str, call.arguments))
    try:
        return await client.evalsha(_digest(script.text), keys=script.keys, args=call.arguments)
    except NoScriptError:
        return await client.eval(script.text, keys=script.keys, args=call.arguments)


@cache
def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
