"""A player of a name that is a source to capture: which hook it is, who has named it, and what it is told."""

from typing import cast

import httpx
import pytest
from attrs import evolve
from trio.testing import MockClock

from actors.media.publication import Publication
from actors.node.directory import Directory
from actors.stream import Broadcast
from actors.stream.capture_starter import CaptureRefused
from protocol.hooks import HookMethod, MethodConfig, RestClientConfig, RestPolicy
from protocol.stream.info_texts import StreamInfo
from tests.support.session.plain_owner import PlainOwner
from tests.support.session.signaling_rig import SignalingRig, signaling_rig

URI = "rtsp://camera.example/live"


class Starter:
    """Captures nothing: it notes what it is asked for, and refuses."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    def serves(self, name: str) -> bool:
        return name.startswith("rtsp://")

    async def capture(self, name: str, *, by_operator: bool) -> Broadcast:
        self.asked.append((name, by_operator))
        raise CaptureRefused(StreamInfo.RTSP_STREAM_NOT_FOUND)


async def play(rig: SignalingRig, name: str, config: RestClientConfig | None = None) -> tuple[Starter, str | None]:
    """A player of a name; what was asked for it, and its end."""
    starter, owner = Starter(), PlainOwner(rig, "owner1", config)
    owner._services = evolve(owner._services, captures=starter)
    owner.play(name, "v1")
    notice = await owner.until("v1", "FAILED")
    return starter, notice.stream.info


async def test_the_hook_of_a_source_is_play_rtsp(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        starter, info = await play(rig, URI)
        assert (starter.asked, info) == ([(URI, False)], "Rtsp stream not found")
        assert [body["name"] for body in rig.backend.called("playRTSP")] == [URI]
        assert not rig.backend.called("playStream")


class Elsewhere(Directory[Broadcast]):
    """Another node captures all sources; they have just ended."""

    async def find_elsewhere(self, name: str) -> Broadcast | None:
        broadcast = Broadcast(cast(Publication, None))
        broadcast.is_over = True
        return broadcast


async def test_what_another_node_captures_comes_from_there(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        starter, owner = Starter(), PlainOwner(rig, "owner1")
        owner._services = evolve(owner._services, captures=starter, directory=Elsewhere())
        owner.play(URI, "v1")
        await owner.until("v1", "FAILED")
        assert starter.asked == []


async def test_an_application_without_it_is_asked_by_play_stream(autojump_clock: MockClock) -> None:
    methods = frozenset(method.value for method in HookMethod if method is not HookMethod.PLAY_RTSP)
    async with signaling_rig(methods=methods) as rig:
        await play(rig, URI)
        assert [body["name"] for body in rig.backend.called("playStream")] == [URI]


async def test_the_source_that_a_backend_names_is_as_good_as_the_operators(autojump_clock: MockClock) -> None:
    overwriting = MethodConfig(rest_policy=RestPolicy.OVERWRITE, rest_overwrite=frozenset({"name"}))
    config = RestClientConfig({HookMethod.PLAY_STREAM: overwriting, HookMethod.PLAY_RTSP: overwriting})
    async with signaling_rig() as rig:
        rig.backend.answers["playStream"] = lambda _, body: httpx.Response(200, json={**body, "name": URI})
        starter, _ = await play(rig, "lobby", config)
        assert starter.asked == [(URI, True)]


async def test_the_same_name_in_the_answer_is_still_the_clients(autojump_clock: MockClock) -> None:
    overwriting = MethodConfig(rest_policy=RestPolicy.OVERWRITE, rest_overwrite=frozenset({"name"}))
    async with signaling_rig() as rig:
        rig.backend.answers["playRTSP"] = lambda _, body: httpx.Response(200, json=body)
        starter, _ = await play(rig, URI, RestClientConfig({HookMethod.PLAY_RTSP: overwriting}))
        assert starter.asked == [(URI, False)]


@pytest.mark.parametrize("name", [URI, "rtsp://"])
async def test_nobody_publishes_under_the_name_of_a_source(autojump_clock: MockClock, name: str) -> None:
    async with signaling_rig() as rig:
        owner = PlainOwner(rig, "owner1")
        owner._services = evolve(owner._services, captures=Starter())
        owner.publish(name, "p1")
        notice = await owner.until("p1", "FAILED")
        assert notice.stream.info == "Stream name is already in use"
        assert not rig.backend.called("publishStream")
