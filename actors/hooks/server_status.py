"""Tells backends that the server has started, what a crash of the run before has left open, and that it stops.

The hook `ServerStatusEvent` concerns no session. Each application that has it gets one call, outside all lanes, and
nobody waits for these calls: neither the start nor, beyond STOPPING_TIME, the stop.
"""

from collections.abc import Callable, Iterator

import trio
from attrs import frozen

from actors.hooks.call_log import HookCall
from actors.hooks.dispatcher import HookDispatcher
from actors.hooks.echo import is_echo
from config.apps import App
from protocol.common.growing_pause import GrowingPause
from protocol.hooks import HookMethod, RestClientConfig, ServerStatus, is_final_answer, server_status_body
from protocol.node.run_record import PreviousRun

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a call is made again; twice as long each time."""
STOPPING_TIME = 1.0
"""Seconds for the calls of a stop, all together."""
NO_SESSION = "-"
"""In the place of a session's id."""

METHOD = HookMethod.SERVER_STATUS_EVENT


@frozen
class ServerStatusCalls:
    """The calls of one run. `apps`: the current applications."""

    dispatcher: HookDispatcher
    apps: Callable[[], tuple[App, ...]]
    node_id: str
    previous: PreviousRun

    async def run(self, closing: trio.Event) -> None:
        """Tell STARTED until it is answered or the server is `closing`, then STOPPING."""
        async with trio.open_nursery() as started:
            for app in self._listeners():
                started.start_soon(self._tell_started, app.key)
            await closing.wait()
            started.cancel_scope.cancel()
        with trio.move_on_after(STOPPING_TIME):
            async with trio.open_nursery() as stopping:
                for app in self._listeners():
                    stopping.start_soon(self._call, app, ServerStatus.STOPPING)

    def _listeners(self) -> list[App]:
        return [app for app in self.apps() if self._is_told(app)]

    def _is_told(self, app: App) -> bool:
        is_off = self.dispatcher.settings.disable_rest_requests
        return METHOD in app.methods and not is_echo(app.url) and not is_off

    async def _tell_started(self, key: str) -> None:
        pause = GrowingPause(FIRST_PAUSE, LONGEST_PAUSE)
        for app in self._as_it_is_now(key):
            if await self._call(app, ServerStatus.STARTED):
                return
            await trio.sleep(pause.next())

    def _as_it_is_now(self, key: str) -> Iterator[App]:
        """The application, again and again, as long as it exists and has the method."""
        while app := next((each for each in self._listeners() if each.key == key), None):
            yield app

    async def _call(self, app: App, status: ServerStatus) -> bool:
        """Whether it was answered."""
        timeout = self.dispatcher.settings.rest_request_timeout
        call = HookCall(
            app=app,
            method=METHOD,
            session_id=NO_SESSION,
            body=server_status_body(self.node_id, app.key, status, self.previous),
            config=RestClientConfig().for_method(METHOD),
        )
        deadline = trio.current_time() + timeout
        return is_final_answer(await self.dispatcher.sender.send(call, timeout=timeout, deadline=deadline))
