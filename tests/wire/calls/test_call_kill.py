"""A server that is killed while it has calls: the next one starts as if there had been none."""

import signal
from pathlib import Path
from typing import Any

from httpx import codes

from tests.support.calls.echo_phone import EchoPhone, echo_phone
from tests.support.calls.page_call import ACCOUNT, PageCall, call
from tests.support.cluster.cluster_pair import until
from tests.support.network.ports import unused_port
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import WcsClient, wcs_client

CALLS = 10


async def up(client: WcsClient) -> PageCall:
    """A call that the phone has answered."""
    made = await call(client)
    await made.connect()
    await made.status("talk", "ESTABLISHED")
    return made


async def talks(made: PageCall) -> None:
    """The page hears itself from the phone, which talks in the last of its calls."""
    made.speak(b"hello")
    await made.hears(b"hello")


def settings(phone: EchoPhone, sip_port: int) -> dict[str, Any]:
    """A server that knows the phone."""
    return {
        "sip.servers": f"127.0.0.1:{phone.address[1]}",
        "sip.address": "127.0.0.1",
        "sip.max_calls_per_session": CALLS,
        "sip.max_calls_per_minute": 2 * CALLS,
        "port_from": sip_port,
        "ip": "127.0.0.1",
    }


async def test_the_next_start_is_clean_after_a_kill_with_ten_calls(tmp_path: Path) -> None:
    sip_port = unused_port()
    with echo_phone() as phone:
        killed = ServerProcess(tmp_path, settings(phone, sip_port))
        try:
            async with wcs_client(killed.ws_url(), **ACCOUNT) as client:
                calls = [await up(client) for _ in range(CALLS)]
                await talks(calls[-1])
                killed.send_signal(signal.SIGKILL)
                await client.closed.wait()
        finally:
            killed.kill()
        assert phone.ended == 0
        with running_server(tmp_path, settings(phone, sip_port)) as server:
            assert server.post("/call/find_all", {}).status_code == codes.NOT_FOUND
            async with wcs_client(server.ws_url(), **ACCOUNT) as client:
                made = await up(client)
                await talks(made)
                assert len(server.post("/call/find_all", {}).json()) == 1
                await made.command("hangup")
                await made.status("finish", "FINISH")
        assert len(phone.callees) == CALLS + 1
        await until(lambda: phone.ended == 1)  # the phone has a thread of its own
