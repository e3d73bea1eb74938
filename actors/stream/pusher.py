"""Pushes for REST: publications of this node are chosen, pushed to RTMP servers and no longer pushed."""

import os
from collections.abc import Iterator
from typing import Final

from attrs import evolve

from actors.net.resolver import Resolver
from actors.node.ports.push import (
    NoSuchPush,
    NothingToPush,
    PushDescription,
    PushRefused,
    UnusableTarget,
)
from actors.node.supervisor import Supervisor
from actors.stream.published import PublishedStream
from actors.workers.pushing.push import Push
from actors.workers.pushing.push_connection import TargetUnreachable, resolve
from actors.workers.pushing.pushes import Pushes, PushTo
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.rest.resources.pushes import PushOrder, PushSearch, PushSound

RESOLVE_TIMEOUT: Final = 5.0
"""Seconds that a target's name may take, before a request is refused because of it."""


class StreamPusher:
    """Implements `actors.node.ports.push.PushPort`."""

    def __init__(self, supervisor: Supervisor, pushes: Pushes) -> None:
        self._supervisor = supervisor
        self._pushes = pushes

    @property
    def here(self) -> "StreamPusher":
        return self

    def has(self, push: str) -> bool:
        """Whether a push of this id runs here."""
        return self._pushes.of(push) is not None

    async def start(self, query: StreamFilter, order: PushOrder) -> PushDescription:
        """Begin. Raises UnusableTarget, NothingToPush, AlreadyPushed, NoSuchSound or PushRefused."""
        to = PushTo(url=order.url, is_full=order.is_full, is_muted=order.is_muted, sound=order.sound)
        target = self._pushes.target(order.stream_name, to)
        try:
            await resolve(target.host, RESOLVE_TIMEOUT, Resolver())
        except TargetUnreachable as error:
            raise UnusableTarget(f"cannot be used: {error}") from None
        if order.sound is not None:
            os.close(await self._pushes.open_sound(order.sound))
        return self._described(self._published(evolve(query, name=order.stream_name)).push(to))

    async def find(self, query: StreamFilter, search: PushSearch) -> Found[PushDescription]:
        """Those that run and match, of the publications that match."""
        shown = (self._described(push) for push in self._pushes if any(self._matching(query, push)))
        found = tuple(push for push in shown if _is_meant(push, search))
        return Found(total=len(found), items=found)

    async def stop(self, query: StreamFilter, push: str) -> None:
        """End one. Raises NoSuchPush."""
        self._found(query, push).finish("stopped")

    async def mute(self, query: StreamFilter, push: str, *, is_muted: bool) -> None:
        """Silence in the place of the sound, or no longer. Raises NoSuchPush."""
        self._found(query, push).mute(is_muted=is_muted)

    async def sound_on(self, query: StreamFilter, push: str, sound: PushSound) -> None:
        """Have a file heard in the place of the sound. Raises NoSuchPush, NoSuchSound or PushRefused."""
        found = self._found(query, push)
        if not found.request.has_audio:
            raise PushRefused("The publication has no sound that a file could replace")
        await self._pushes.play(found, sound)

    async def sound_off(self, query: StreamFilter, push: str) -> None:
        """The published sound is heard again. Raises NoSuchPush."""
        self._found(query, push).stop_sound()

    # -- inside --------------------------------------------------------------------------------------------------

    def _published(self, query: StreamFilter) -> PublishedStream:
        for stream in self._supervisor.matching(evolve(query, published=True)):
            if isinstance(stream, PublishedStream) and stream.is_live:
                return stream
        raise NothingToPush

    def _found(self, query: StreamFilter, push: str) -> Push:
        found = self._pushes.of(push)
        if found is None or not any(self._matching(query, found)):
            raise NoSuchPush
        return found

    def _matching(self, query: StreamFilter, push: Push) -> Iterator[object]:
        stream = push.request.stream_id
        return iter(self._supervisor.matching(evolve(query, media_session_ids=frozenset({stream}))))

    def _described(self, push: Push) -> PushDescription:
        request = push.request
        width, height = request.size()
        return PushDescription(
            id=request.id,
            stream_name=request.stream_name,
            target_name=request.target_name,
            shown_url=request.job.target.shown,
            url=request.job.target.url,
            status=push.status,
            width=width,
            height=height,
            is_muted=push.is_muted,
            plays_sound=push.plays_sound,
        )


def _is_meant(push: PushDescription, search: PushSearch) -> bool:
    return search.stream_name in (None, push.stream_name, push.target_name) and search.url in (None, push.url)
