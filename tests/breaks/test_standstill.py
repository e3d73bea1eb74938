"""A server that stands still for longer than anybody's silence is borne, while its clients go on: nobody is dropped.

As when a virtual machine is paused, or moved to another host.
"""

import signal
from pathlib import Path

import trio

from tests.support.servers.server_process import running_server
from tests.support.session.wcs_client import ClientStream, wcs_client

FROZEN = 12.0
AFTERWARDS = 12.0
"""Seconds in which whoever was taken for dead would be told."""
SETTINGS = {
    "ip": "127.0.0.1",
    "ice_keep_alive_timeout": 5000,
    "rtp_activity_timeout": 5,
    "keep_alive.server_interval": 1000,
    "keep_alive.probes": 3,
    "rest_request_timeout": 5,
}


async def test_nobody_is_dropped(tmp_path: Path) -> None:
    with running_server(tmp_path, SETTINGS) as server:
        async with wcs_client(server.ws_url(), answers_pings=True) as page, trio.open_nursery() as nursery:
            published = await page.publish("kept")
            nursery.start_soon(_go_on_publishing, published)
            played = await page.play("kept")
            server.send_signal(signal.SIGSTOP)
            await trio.sleep(FROZEN)
            server.send_signal(signal.SIGCONT)
            await trio.sleep(AFTERWARDS)
            assert published.statuses == [("PUBLISHING", None)]
            assert played.statuses == [("PLAYING", None)]
            assert not page.closed.is_set()
            before = len(played.peer.received)
            await played.peer.until(lambda: len(played.peer.received) > before, within=60)
            nursery.cancel_scope.cancel()
        log = server.log()
    assert "the server stood still" in log


async def _go_on_publishing(stream: ClientStream) -> None:
    while True:
        stream.send_key_frame()
        await trio.sleep(0.2)
