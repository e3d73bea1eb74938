"""Transfers by phones (REFER) in which one event follows another before the call has come to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from config.apps import App, AppTable
from config.tables.apps_file import write_apps
from protocol.sip.calls.transfer import replaces_of
from protocol.sip.events import CallAcknowledged, CallArrived, CallEnded
from protocol.webrtc.sdp import Direction
from tests.support.calls.page_call import ACCOUNT, PageCall, established, world
from tests.support.calls.referring_phone import answers, refers, target_of, told
from tests.support.calls.sip_phone import SipPhone
from tests.support.hooks.backend import ScriptedBackend, open_backend
from tests.support.hooks.behaviours import Exchange, allow
from tests.support.media.media_rig import until
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client

TARGET = "sip:2000@127.0.0.1"


@define(eq=False)
class Scene:
    """A page in a call with a phone, on a server whose backend lets the call wait as long as the test wants."""

    server: FullServer
    phone: SipPhone
    client: WcsClient
    backend: ScriptedBackend
    made: PageCall
    may_go_on: trio.Event = field(factory=trio.Event)

    async def refer(self, target: str = TARGET) -> CallArrived:
        """The phone transfers its call, and the target rings."""
        refers(self.phone, target)
        await told(self.phone, 202, 100)
        return await self.phone.is_called()

    async def make_wait(self) -> None:
        """The call comes to nothing before `may_go_on`: it has asked the backend about a digit."""

        async def late(exchange: Exchange) -> None:
            await self.may_go_on.wait()
            await allow(exchange)

        self.backend.script("sendDtmf", late)
        await self.made.command("sendDtmf", dtmf="1", type="RFC2833")
        with trio.fail_after(PATIENCE):
            await self.backend.wait_for("sendDtmf")

    async def has_phones(self, count: int) -> None:
        """So many calls are left at the SIP endpoint."""
        sip = self.server.server.parts.sip
        assert sip is not None
        await until(lambda: sip.call_count == count)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with open_backend() as backend:
        (folder / "state").mkdir(mode=0o700)
        app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=frozenset({"connect", "sendDtmf"}))
        (folder / "state" / "apps.toml").write_text(write_apps(AppTable(apps=(app,))))
        settings: dict[str, Any] = {"sip_accept_refer": True}
        async with world(folder, **settings) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
            made = await established(client, phone)
            client.frames.clear()
            yield Scene(server, phone, client, backend, made)


async def test_an_offer_of_a_phone_that_has_left_is_not_taken_for_the_targets(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        phone, left = there.phone, there.phone.call
        with target_of(phone):
            arrived = await there.refer()
            await there.make_wait()
            target, phone.call = phone.call, left
            phone.does("offer", phone.description(direction=Direction.SENDONLY))
            phone.hang_up()
            phone.call = target
            await there.has_phones(1)
            there.may_go_on.set()
            answers(phone, arrived)
            await there.made.status("talk", "ESTABLISHED")
            assert not there.client.of("hold")


async def test_a_target_that_hangs_up_as_soon_as_it_has_answered_ends_the_call(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        phone = there.phone
        with target_of(phone):
            arrived = await there.refer()
            await there.make_wait()
            answers(phone, arrived)
            await phone.event(CallAcknowledged)
            phone.hang_up()
            await there.has_phones(1)
            there.may_go_on.set()
            finish = await there.made.status("finish", "FINISH")
            assert (finish.get("info"), finish["sipStatus"]) == (None, 200)  # not since it was silent for long
        assert (await phone.event(CallEnded)).was_up  # the one that has transferred it
        await there.has_phones(0)


async def test_each_phone_of_a_chain_of_transfers_is_told_to_leave(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        phone = there.phone
        first = phone.agent._calls.calls[phone.call].known_dialog()
        with target_of(phone):
            answers(phone, await there.refer())
            await phone.event(CallAcknowledged)
            await told(phone, 200)
            second = phone.call
            phone.dials(str(first.target), offer=phone.description(), Replaces=replaces_of(first))
            ended = [await phone.event(CallEnded)]
            while ended[-1].status != 481:  # who has transferred the call has no place in it, and may be out by now
                ended.append(await phone.event(CallEnded))
            phone.call = second
            answers(phone, await there.refer("sip:3000@127.0.0.1"))
            await phone.event(CallAcknowledged)
            await told(phone, 200)
            await there.made.status("talk", "ESTABLISHED")
            await there.made.command("hangup")
            while len(ended) < 4:
                ended.append(await phone.event(CallEnded))
            assert sum(each.was_up for each in ended) == 3
        await there.has_phones(0)
