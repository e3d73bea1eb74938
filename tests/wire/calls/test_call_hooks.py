"""What a backend denies of calls: each hook of a call that may be denied, one after the other."""

from pathlib import Path

from config.apps import ALL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from protocol.sip.events import CallEnded
from tests.support.calls.page_call import ACCOUNT, PageCall, established, page_holds, world
from tests.support.hooks.backend import open_backend
from tests.support.hooks.behaviours import allow, app_config, deny, rewrite
from tests.support.session.wcs_client import wcs_client
from tests.support.webrtc.media_peer import MediaPeer

DENIABLE = ("OnCallEvent", "answer", "hold", "unhold", "sendDtmf")


async def test_a_backend_denies_what_comes_to_a_page_and_what_the_page_does(tmp_path: Path) -> None:
    async with open_backend() as backend:
        (tmp_path / "state").mkdir(mode=0o700)
        app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=frozenset(ALL_METHODS))
        (tmp_path / "state" / "apps.toml").write_text(write_apps(AppTable(apps=(app,))))
        config = app_config(**{method: {"restOnError": "FAIL"} for method in DENIABLE})
        backend.script("connect", rewrite(restClientConfig=config))
        account = ACCOUNT | {"sipRegisterRequired": True}
        async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **account) as client:
            await client.receive("registered", sipLogin="alice")
            backend.script("OnCallEvent", deny())
            phone.dials(phone.registered[0], offer=phone.description())
            assert (await phone.event(CallEnded)).status == 603
            assert client.of("notifyIncomingCall") == []
            assert (await client.receive("fail", method="OnCallEvent"))["info"] == "Restricted access"

            backend.script("OnCallEvent", allow)
            backend.script("answer", deny())
            phone.dials(phone.registered[0], offer=phone.description())
            incoming = await client.receive("notifyIncomingCall")
            rung = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
            client.peers.append(rung.peer)
            (offer,) = client.of("setRemoteSDP", mediaSessionId=rung.id)
            await rung.command("answer", sdp=rung.peer.call_answer(offer["sdp"]), incoming=True)
            await client.receive("fail", method="answer")
            await rung.command("hangup")
            assert (await phone.event(CallEnded)).status == 603

            made = await established(client, phone)
            await page_holds(made, phone)
            for method, fields in (("unhold", {}), ("sendDtmf", {"type": "INFO", "dtmf": "5"})):
                backend.script(method, deny())
                await made.command(method, **fields)
                assert (await client.receive("fail", method=method))["info"] == "Restricted access"
