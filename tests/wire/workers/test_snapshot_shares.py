"""One process takes all pictures: no publisher keeps it from the others, whatever it sends, or does not send."""

import os
import signal
from contextlib import suppress

import pytest
import trio
import trio.testing
from attrs import evolve

from actors.node.ports.snapshot import SnapshotRefused
from actors.workers.snapshots.snapshots import AT_ONCE, SnapshotRequest
from tests.support.workers.colour_frames import BLUE, RED
from tests.support.workers.snapshot_rig import PATIENCE, PATIENT, Camera, pid, taking


async def test_a_publisher_without_key_frames_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.workers.snapshots.snapshots.HANG_TIMEOUT", PATIENCE)
    async with taking() as (snapshots, rig), trio.open_nursery() as nursery:

        async def wait(request: SnapshotRequest) -> None:
            with suppress(SnapshotRefused):
                await snapshots.take(request)

        for _ in range(2 * AT_ONCE):
            nursery.start_soon(wait, Camera(rig).request(publisher="mallory"))
        await trio.testing.wait_all_tasks_blocked()
        held = snapshots._slots.taken
        assert 0 < held < AT_ONCE
        camera = Camera(rig)
        camera.shows(RED, BLUE)
        await snapshots.take(camera.request(publisher="bob"))
        assert snapshots._slots.taken == held
        nursery.cancel_scope.cancel()


async def test_a_small_picture_does_not_wait_for_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.workers.snapshots.snapshots.HANG_TIMEOUT", PATIENCE)
    async with taking() as (snapshots, rig):
        first = Camera(rig)
        first.shows(RED, BLUE)
        await snapshots.take(first.request())
        os.kill(await pid(snapshots), signal.SIGSTOP)
        widths: list[int] = []

        async def take(width: int, height: int) -> None:
            camera = Camera(rig)
            camera.shows(RED, BLUE, width, height)
            widths.append((await snapshots.take(camera.request())).width)

        async with trio.open_nursery() as nursery:
            for width, height in ((1280, 720), (1280, 720), (160, 96)):
                nursery.start_soon(take, width, height)
            await trio.testing.wait_all_tasks_blocked()
            os.kill(await pid(snapshots), signal.SIGCONT)
        assert widths == [160, 1280, 1280]


async def test_one_publisher_may_not_fill_the_line_either() -> None:
    async with taking(evolve(PATIENT, snapshot_max_waiting=4)) as (snapshots, rig), trio.open_nursery() as nursery:

        async def wait(publisher: str) -> None:
            with suppress(SnapshotRefused):
                await snapshots.take(Camera(rig).request(publisher=publisher))

        for _ in range(5):
            nursery.start_soon(wait, "mallory")
        await trio.testing.wait_all_tasks_blocked()
        assert (len(snapshots), snapshots.counts.refused) == (3, 2)
        nursery.start_soon(wait, "bob")
        await trio.testing.wait_all_tasks_blocked()
        assert len(snapshots) == 4
        nursery.cancel_scope.cancel()
