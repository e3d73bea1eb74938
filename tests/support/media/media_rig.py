"""A running media plane on loopback, and peers connected to it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, evolve, field, frozen

from actors.media.events import Connected, MediaEvent
from actors.media.ingest.webrtc_ingest import WebRtcIngest
from actors.media.io.sockets import open_media_sockets
from actors.media.plane import MediaPlane
from actors.media.playback import Playback
from actors.media.publication import Publication
from actors.media.sending.sender import PacketSender
from actors.media.tcp.listeners import open_media_listeners
from config.settings import Settings
from config.values.addresses import AddressPair
from protocol.webrtc.roles import ANSWERER, PeerRoles
from tests.support.nurseries import plain_nursery
from tests.support.webrtc.media_peer import MediaPeer

PATIENCE = 60.0
"""Seconds that anything may take; only to end a test that hangs."""


@define(eq=False)
class Facts:
    """What a stream was told by the media plane."""

    told: list[MediaEvent] = field(factory=list)
    _changed: trio.Event = field(factory=trio.Event)

    def post(self, fact: MediaEvent) -> None:
        self.told.append(fact)
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, fact: MediaEvent, *, within: float = PATIENCE) -> None:
        with trio.fail_after(within):
            while fact not in self.told:
                await self._changed.wait()


@frozen
class Published:
    peer: MediaPeer
    ingest: WebRtcIngest
    facts: Facts

    @property
    def publication(self) -> Publication:
        return self.ingest.publication


@frozen
class Played:
    peer: MediaPeer
    playback: Playback
    facts: Facts


@frozen
class Rig:
    """`publish` and `play` answer a new peer's offer; with `connect` they wait until SRTP is up on both sides."""

    plane: MediaPlane
    nursery: trio.Nursery
    serving: trio.CancelScope
    peers: list[MediaPeer] = field(init=False, factory=list)

    async def publish(
        self, *, connect: bool = True, session_id: str = "s1", roles: PeerRoles = ANSWERER, **options: Any
    ) -> Published:
        peer, facts = self._new_peer(options), Facts()
        ingest = self.plane.publish(
            peer.publish_offer(), session_id=session_id, post=facts.post, roles=roles, over_tcp=peer.over_tcp
        )
        peer.accept(ingest.answer)
        await self._connect(peer, facts, connect)
        return Published(peer, ingest, facts)

    async def play(
        self,
        publication: Publication,
        *,
        connect: bool = True,
        session_id: str = "s2",
        roles: PeerRoles = ANSWERER,
        **options: Any,
    ) -> Played:
        peer, facts = self._new_peer(options), Facts()
        playback = self.plane.play(
            peer.play_offer(),
            publication,
            session_id=session_id,
            post=facts.post,
            roles=roles,
            over_tcp=peer.over_tcp,
        )
        peer.accept(playback.answer)
        await self._connect(peer, facts, connect)
        return Played(peer, playback, facts)

    def _new_peer(self, options: Mapping[str, Any]) -> MediaPeer:
        peer = MediaPeer(**options)
        self.peers.append(peer)
        return peer

    async def _connect(self, peer: MediaPeer, facts: Facts, connect: bool) -> None:
        if connect:
            self.nursery.start_soon(peer.run)
            with trio.fail_after(PATIENCE):
                await peer.connected.wait()
            await facts.until(Connected())


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until something became true that nobody tells; only for what happens at once."""
    with trio.fail_after(PATIENCE):
        while True:
            if condition():
                return
            await trio.lowlevel.checkpoint()


def media_settings(**changes: Any) -> Settings:
    """Loopback and any free port."""
    return evolve(Settings(ip=(AddressPair("127.0.0.1"),), media_port_from=0), **changes)


@asynccontextmanager
async def media_rig(*, sender: PacketSender | None = None, **changes: Any) -> AsyncIterator[Rig]:
    """A media plane with settings `changes`. Everything is cancelled at the end; the plane alone by `Rig.serving`."""
    settings = media_settings(**changes)
    sockets = open_media_sockets(settings)
    listeners = open_media_listeners(settings, sockets)
    plane, serving = MediaPlane(sockets, settings, sender=sender, listeners=listeners), trio.CancelScope()

    async def run_plane(*, task_status: trio.TaskStatus[None]) -> None:
        with serving:
            task_status.started()
            await plane.run()

    rig = None
    try:
        async with plain_nursery() as nursery:
            await nursery.start(run_plane)
            rig = Rig(plane, nursery, serving)
            yield rig
            nursery.cancel_scope.cancel()
    finally:
        for peer in rig.peers if rig else ():
            peer.udp.close()
