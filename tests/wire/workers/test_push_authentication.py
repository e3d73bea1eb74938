"""Targets that ask for a user and a password: FFmpeg and pushes prove themselves in the same way."""

import contextlib
import sys
import time
from pathlib import Path

import pytest
import trio

from actors.node.ports.push import UnusableTarget
from actors.workers.pushing.push import Push
from tests.support.workers.push_rig import over, studio, taken, until
from tests.support.workers.rtmp_gate import PASSWORD, USER, rtmp_gate

BY_FFMPEG = """
import sys, av
with av.open(sys.argv[1], "w", format="flv", timeout=60) as target:
    target.add_stream("flv1", rate=25)
    target.start_encoding()
"""
"""In a process: PyAV keeps all threads from running while it connects."""


@pytest.mark.parametrize("opaque", [None, "oPaque"])
async def test_a_push_proves_itself_as_ffmpeg_does(tmp_path: Path, opaque: str | None) -> None:
    with rtmp_gate(opaque) as gate:
        url = f"rtmp://{USER}:{PASSWORD}@{gate.address}/live"
        with trio.fail_after(60):
            await trio.run_process([sys.executable, "-c", BY_FFMPEG, f"{url}/news"])
        assert gate.published.wait(60), "the gate is as FFmpeg expects it"
        by_ffmpeg, gate.seen = gate.seen, []
        async with studio(tmp_path) as made:
            push = made.push(made.source(), url)
            await taken(push)
            made.pushes.stream_ended("m1")
            assert await over(push) == "ended"
            assert (push.tries, made.pushes.counts.published) == (1, 1)
    assert [shape(app) for app in gate.seen] == [shape(app) for app in by_ffmpeg]


async def test_user_and_password_may_have_any_characters_which_are_escaped_in_the_url(tmp_path: Path) -> None:
    with rtmp_gate() as gate:
        gate.user, gate.password = "jö&e@x%41", "s/ec:r@t%2f"
        async with studio(tmp_path) as made:
            push = made.push(made.source(), f"rtmp://j%C3%B6%26e%40x%2541:s%2Fec:r%40t%252f@{gate.address}/live")
            await taken(push)


def shape(app: str) -> list[str]:
    return [pair.partition("=")[0] for pair in app.split("&")]


async def test_one_that_cannot_fails_and_nobody_learns_the_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with rtmp_gate() as gate:
        said = {
            f"{USER}:wr%6fng": "user or password is wrong",
            f"ann:{PASSWORD}": "it does not know the user",
        }
        async with studio(tmp_path) as made:
            for user, words in said.items():
                assert await refused(made.push(made.source(), f"rtmp://{user}@{gate.address}/live"), caplog) == words
            nobody = made.push(made.source(), f"rtmp://{gate.address}/live")
            assert "wants a user" in await refused(nobody, caplog)
            with pytest.raises(UnusableTarget):
                made.push(made.source(), f"rtmp://{USER}@{gate.address}/live")
    assert not any(secret in str([vars(each) for each in caplog.records]) for secret in (PASSWORD, "wr%6fng", "wrong@"))


async def refused(push: Push, caplog: pytest.LogCaptureFixture) -> str:
    """What the log says of it."""
    caplog.clear()
    assert await over(push) == "target-refused"
    (lost,) = [record for record in caplog.records if record.getMessage() == "push lost its target"]
    return str(vars(lost)["wcsd_fields"]["detail"])


async def test_one_that_is_stopped_when_it_has_just_been_asked_for_a_user_connects_no_more(tmp_path: Path) -> None:
    with rtmp_gate() as gate:
        gate.may_answer.clear()
        async with studio(tmp_path) as made:
            push = made.push(made.source(), f"rtmp://{USER}:{PASSWORD}@{gate.address}/live")
            await until(lambda: push.pid is not None)
            assert push.pid is not None
            gate.may_answer.set()
            let_it_end(push.pid)  # nobody has heard yet why it has ended
            push.finish("stopped")
            assert await over(push) == "stopped"
        assert len(gate.seen) == 1


def let_it_end(pid: int) -> None:
    """Hold the server up until the process has ended."""
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(FileNotFoundError):
        while ") Z " not in status.read_text():
            time.sleep(0.01)
