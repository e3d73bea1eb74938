"""Calls on two nodes that share a real Redis: whichever is asked by REST, and callIds that are chosen twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from protocol.calls.g711 import encoded
from protocol.calls.info_texts import CallInfo
from protocol.sip.accounts.servers import read_servers
from protocol.sip.events import CallEnded
from tests.support.calls.page_call import ACCOUNT, PageCall, call, established
from tests.support.calls.rest_calls import CALL, answer, hears, hears_frames, order, until_live, wave
from tests.support.calls.sip_phone import SipPhone, sip_phone
from tests.support.cluster.cluster_pair import until
from tests.support.cluster.two_nodes import cluster_of, node, until_seen
from tests.support.redis.redis_server import RedisServer, redis_server
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer


@frozen
class PhoneNode:
    """A node, the phone that is its SIP server, and a page."""

    server: FullServer
    phone: SipPhone
    page: WcsClient

    async def order(self, what: str, **body: Any) -> int:
        return await order(self.server, what, **body)

    async def found(self) -> list[Any]:
        """The calls of all nodes, as this one has them."""
        answer = await self.server.rest.get("/rest-api/call/find_all")
        return [] if answer.status_code == 404 else list(answer.json())


@asynccontextmanager
async def phone_node(folder: Path, name: str, redis: RedisServer, **settings: Any) -> AsyncIterator[PhoneNode]:
    async with sip_phone() as phone:
        servers = read_servers(f"127.0.0.1:{phone.address[1]}")
        sip = {"sip_servers": servers, "port_from": 0, "sip_address": "127.0.0.1"}
        async with node(folder, name, redis, **sip, **settings) as server:
            async with wcs_client(server.ws_url(), **ACCOUNT) as page:
                yield PhoneNode(server, phone, page)


@asynccontextmanager
async def two(folder: Path, **settings: Any) -> AsyncIterator[tuple[PhoneNode, PhoneNode]]:
    async with redis_server(folder) as redis:
        async with phone_node(folder, "a", redis, **settings) as a, phone_node(folder, "b", redis, **settings) as b:
            for each in (a, b):
                await until_seen(each.server, 2)
            yield a, b


def calls_on(each: PhoneNode) -> int:
    return each.server.server.parts.supervisor.count_actors()["call"]


async def until_registered(each: PhoneNode) -> None:
    """Wait until Redis has said that the callId of its one call is its own."""
    singles = cluster_of(each.server).singles
    await until(lambda: len(singles) == 1 and not singles.names.table.unconfirmed)


async def test_a_call_id_is_that_of_one_call_on_both_nodes(tmp_path: Path) -> None:
    async with two(tmp_path) as (a, b):
        made = await established(a.page, a.phone)
        await until_registered(a)
        for each in (a, b):
            assert await each.order("startup", **CALL | {"callId": made.id}) == 409
        await is_refused(b.page, made.id)
        assert [each["callId"] for each in await b.found()] == [made.id]
        made.speak(b"goes on")
        await hears(a.phone, b"goes on")
        await made.command("hangup")
        await made.status("finish", "FINISH")
        await until(lambda: not calls_on(a) and not calls_on(b))
        with trio.fail_after(PATIENCE):
            while (status := await b.order("startup", **CALL | {"callId": made.id})) == 409:
                continue  # the news of its end is on the way
        assert status == 200
        await one_of_two_that_begin_at_once_lives(a, b)


async def one_of_two_that_begin_at_once_lives(a: PhoneNode, b: PhoneNode) -> None:
    """Of calls that REST begins, and of those that pages do."""
    before, statuses = calls_on(a) + calls_on(b), list[int]()

    async def begin(each: PhoneNode, call_id: str) -> None:
        statuses.append(await each.order("startup", **CALL | {"callId": call_id, "toStream": ""}))

    for call_id in ("c0", "c1", "c2"):
        async with trio.open_nursery() as nursery:
            for each in (a, b):
                nursery.start_soon(begin, each, call_id)
    assert sorted(statuses) == [200] * 3 + [409] * 3
    async with trio.open_nursery() as nursery:
        for each in (a, b):
            nursery.start_soon(partial(call, each.page, callId="both"))
    await until(lambda: any(ended(each, "both") for each in (a, b)))
    await until(lambda: calls_on(a) + calls_on(b) == before + 4)
    assert sorted(ended(each, "both") for each in (a, b)) == [0, 1]
    assert {"both", "c0", "c1", "c2"} < {each["callId"] for each in await a.found()}


async def test_a_call_that_has_come_has_an_id_of_its_own_too(tmp_path: Path) -> None:
    async with (
        two(tmp_path) as (a, b),
        wcs_client(a.server.ws_url(), **ACCOUNT | {"sipRegisterRequired": True}) as page,
    ):
        await until(lambda: bool(a.phone.registered))
        a.phone.dials(a.phone.registered[-1], offer=a.phone.description())
        call_id = (await page.receive("notifyIncomingCall"))["callId"]
        await until_registered(a)
        await is_refused(b.page, call_id)
        assert await b.order("terminate", callId=call_id) == 200
        assert await b.order("terminate", callId=call_id) == 404


def ended(each: PhoneNode, call_id: str) -> int:
    """How often its page was told that this call has failed."""
    return len(each.page.of("finish", callId=call_id, status="FAILED"))


async def is_refused(page: WcsClient, call_id: str) -> None:
    """A call of this id ends at once."""
    await call(page, callId=call_id)
    assert (await page.receive("finish", callId=call_id, status="FAILED"))["info"] == CallInfo.CALL_ID_IN_USE


async def test_rest_acts_on_a_call_of_another_node(tmp_path: Path) -> None:
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    (sounds / "tone.wav").write_bytes(wave(5))
    async with two(tmp_path, push_sounds_folder=sounds) as (a, b):
        made = await established(a.page, a.phone)
        one = {"callId": made.id}
        assert await b.order("startup", **CALL | {"callId": "singer", "toStream": "song"}) == 200
        await answer(b.phone)
        await until_live(b.server, "song")
        assert await b.order("inject_stream/startup", **one, streamName="nothing") == 404
        assert await b.order("inject_stream/startup", **one, streamName="song") == 200
        await until_hears(a.phone, b.phone, b"of node b")
        assert await b.order("inject_stream/terminate", **one) == 200
        await until_page_heard(made, a.phone, b"the page")
        assert await b.order("inject_stream/startup", **one, streamName="song") == 200
        await until_hears(a.phone, b.phone, b"again")
        assert await b.order("inject_sound", **one, fileName="tone.wav") == 200
        await hears_frames(a.phone, 5, encoded(1000, "PCMU"))
        for path, body, status in (
            ("inject_sound", {"fileName": "absent.wav"}, 404),
            ("inject_sound", {"fileName": "tone.wav", "callId": "x"}, 404),
            ("inject_stream", {"streamName": "song", "callId": "x"}, 404),
            ("send_dtmf", {"dtmf": "1", "callId": "x"}, 404),
            ("send_dtmf", {"dtmf": "1"}, 200),
        ):
            assert await b.order(path, **one | body) == status, (path, body)
        assert await b.order("inject_sound?scope=local", **one, fileName="tone.wav") == 404
        shown = {each["callId"]: each["nodeId"] for each in await b.found()}
        assert shown == {made.id: a.server.server.parts.node_id, "singer": b.server.server.parts.node_id}
        assert await b.order("terminate", **one) == 200
        assert (await made.status("finish", "FINISH"))["info"] == "Stopped by rest /terminate"
        assert (await a.phone.event(CallEnded)).was_up


async def test_what_a_phone_says_is_a_stream_of_all_nodes(tmp_path: Path) -> None:
    async with two(tmp_path) as (a, b):
        assert await a.order("startup", **CALL) == 200
        await answer(a.phone)
        await until_live(a.server, "line")
        assert await b.order("startup", **CALL | {"callId": "c2"}) == 409  # the name of the stream is in use
        player = await b.page.offer("playStream", "line", MediaPeer(g711=True, video=None))
        await b.page.connect_media(player)
        with trio.fail_after(PATIENCE):
            while b"to all" not in [packet.payload for packet in player.peer.received]:
                a.phone.media.talk(b"to all")
                await trio.sleep(0.05)
        assert (await b.server.terminate(name="line", published=True)).is_success
        await player.status("FAILED")
        assert (await a.phone.event(CallEnded)).was_up


async def until_hears(phone: SipPhone, speaker: SipPhone, payload: bytes) -> None:
    """Let one phone say this until the other has heard it: the first packets may be lost on a way that begins."""
    with trio.fail_after(PATIENCE):
        while payload not in [packet.payload for packet in phone.media.received]:
            speaker.media.talk(payload)
            await take_what_came(phone)


async def until_page_heard(made: PageCall, phone: SipPhone, payload: bytes) -> None:
    with trio.fail_after(PATIENCE):
        while payload not in [packet.payload for packet in phone.media.received]:
            made.speak(payload)
            await take_what_came(phone)


async def take_what_came(phone: SipPhone) -> None:
    with trio.move_on_after(0.05):
        while True:
            await phone.media.hear(len(phone.media.received) + 1)
