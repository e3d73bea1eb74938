"""A real baresip on loopback: a phone with an account at Kamailio, which plays a tone and records what it hears.

async with baresip(folder, "bob", kamailio_port, tone=1000) as phone:
    await phone.does("dial", "sip:alice@127.0.0.1:5060")
    await phone.event("CALL_ESTABLISHED")
"""

import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from tests.support.calls.kamailio import PASSWORD
from tests.support.calls.tones import read_samples, write_tone
from tests.support.network.ports import unused_port
from tests.support.servers.server_process import POLL
from tests.support.session.wcs_client import PATIENCE

_CONFIG = """
poll_method epoll
net_interface 127.0.0.1
sip_listen 127.0.0.1:{sip_port}
audio_player aubridge,nil
audio_alert aubridge,nil
audio_source aufile,{folder}/tone.wav
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
snd_path {folder}
"""


@define(eq=False)
class Baresip:
    """A running one. `events` are those that nobody has waited for."""

    folder: Path
    pid: int
    control: trio.SocketStream
    events: list[dict[str, Any]] = field(init=False, factory=list)
    _answers: list[dict[str, Any]] = field(init=False, factory=list)
    _changed: trio.Event = field(init=False, factory=trio.Event)

    async def resumes(self) -> None:
        """It holds no more. What it answers says nothing: baresip 1.1 tells of an error, and resumes."""
        await self._ask("resume")

    async def does(self, command: str, parameters: str = "") -> str:
        """Carry out a command of its menu; what it printed."""
        answer = await self._ask(command, parameters)
        assert answer["ok"], answer
        return str(answer["data"])

    async def _ask(self, command: str, parameters: str = "") -> dict[str, Any]:
        asked = json.dumps({"command": command, "params": parameters}).encode()
        await self.control.send_all(b"%d:%s," % (len(asked), asked))
        with trio.fail_after(PATIENCE):
            while not self._answers:
                await self._changed.wait()
        return self._answers.pop(0)

    async def event(self, kind: str) -> dict[str, Any]:
        """The first event of this type, now or later; it is taken out."""
        with trio.move_on_after(PATIENCE):
            while True:
                for event in self.events:
                    if event["type"] == kind:
                        self.events.remove(event)
                        return event
                await self._changed.wait()
        raise AssertionError(f"no {kind}; what came: {self.events}")

    async def until_registered(self) -> None:
        """Wait until its account is known to its server; the event may have come before anybody could hear it."""
        with trio.fail_after(PATIENCE):
            while "OK" not in await self.does("reginfo"):  # noqa: ASYNC110 - see above
                await trio.sleep(POLL)

    async def run(self) -> None:
        """Read what it tells, in netstrings."""
        data = b""
        async for piece in self.control:
            data += piece
            while (colon := data.find(b":")) > 0 and len(data) > (end := colon + 1 + int(data[:colon])):
                told = json.loads(data[colon + 1 : end])
                (self.events if "event" in told else self._answers).append(told)
                data = data[end + 1 :]
            self._changed.set()
            self._changed = trio.Event()

    async def recordings(self) -> list[list[int]]:
        """What it has heard in each call that is over; it tells of the end before it has finished the files."""
        with trio.fail_after(PATIENCE):
            while self._writes():  # noqa: ASYNC110 - it tells no one
                await trio.sleep(POLL)
        return [read_samples(path) for path in sorted(self.folder.glob("dump-*-dec.wav"))]

    def _writes(self) -> bool:
        """Whether it has a recording open."""
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it has just been closed
                if descriptor.readlink().name.startswith("dump-"):
                    return True
        return False


@asynccontextmanager
async def baresip(folder: Path, login: str, server_port: int, *, tone: int) -> AsyncIterator[Baresip]:
    """One that is registered, and takes every call."""
    control_port = unused_port()
    with _running(folder, login, server_port, control_port, tone) as process:
        async with await _control(process, control_port) as control, trio.open_nursery() as nursery:
            phone = Baresip(folder, process.pid, control)
            nursery.start_soon(phone.run)
            await phone.until_registered()
            yield phone
            nursery.cancel_scope.cancel()


@contextmanager
def _running(
    folder: Path, login: str, server_port: int, control_port: int, tone: int
) -> Iterator["subprocess.Popen[bytes]"]:
    folder.mkdir()
    write_tone(folder / "tone.wav", tone, seconds=60)  # a call is over when it is
    config = _CONFIG.format(sip_port=unused_port(), control_port=control_port, folder=folder)
    (folder / "config").write_text(config)
    account = f"<sip:{login}@127.0.0.1:{server_port}>;auth_pass={PASSWORD};answermode=auto;audio_codecs=PCMU;regint=600"
    (folder / "accounts").write_text(f"{account}\n")
    with (folder / "baresip.log").open("wb") as log:
        process = subprocess.Popen(
            ["baresip", "-f", str(folder)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _control(process: "subprocess.Popen[bytes]", port: int) -> trio.SocketStream:
    """Its control connection, once it listens."""
    with trio.fail_after(PATIENCE):
        while True:
            assert process.poll() is None, "baresip has ended"
            try:
                return await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(POLL)
