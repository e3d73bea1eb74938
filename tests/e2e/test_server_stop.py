"""The server's end, and what its process is made of while pages stream."""

import signal
import time
from pathlib import Path

import pytest

from actors.access.audit import THREAD_NAME as AUDIT_THREAD
from actors.runtime.log_writer import THREAD_NAME
from tests.support.browsers.sdk_page import OpenPage, SdkPage
from tests.support.servers.server_process import POLL, ServerProcess, running_server

PATIENCE = 30.0
"""Seconds."""


def _statuses_told(page: SdkPage) -> dict[str, str]:
    """The last status of each stream that the server itself told the page."""
    return {data[0]["mediaSessionId"]: data[0]["status"] for data in page.frames("notifyStreamStatusEvent")}


def _threads_but_idle_ones(server: ServerProcess) -> list[str]:
    return [name for name in server.thread_names() if not name.startswith("Trio thread")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_pages_are_told_that_the_server_stops(open_page: OpenPage, tmp_path: Path, number: signal.Signals) -> None:
    with running_server(tmp_path) as server:
        publisher, player = open_page(), open_page()
        for page in (publisher, player):
            page.connect(server.ws_url())
        publication = publisher.published("news")
        playbacks = [player.played("news"), player.played("news")]

        server.send_signal(number)

        assert server.wait() == 0
        for page in (publisher, player):
            page.wait_for_session("DISCONNECTED")
        assert _statuses_told(publisher) == {publication.id: "FAILED"}
        assert _statuses_told(player) == dict.fromkeys((playback.id for playback in playbacks), "FAILED")


def test_a_server_can_be_started_again_on_its_state(open_page: OpenPage, tmp_path: Path) -> None:
    for _ in range(2):
        with running_server(tmp_path) as server:
            page = open_page()
            page.connect(server.ws_url())
            page.published("news")
            page.played("news")


def test_beside_its_loop_the_process_runs_the_thread_that_writes_the_log(
    connected_page: OpenPage, server: ServerProcess
) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.published("news")
    player.played("news")
    expected = sorted([server.process_name(), THREAD_NAME, AUDIT_THREAD])
    give_up = time.monotonic() + PATIENCE
    while (own := _threads_but_idle_ones(server)) != expected:
        assert time.monotonic() < give_up, own
        time.sleep(POLL)  # one of trio's is named for what it does, until it has done it
