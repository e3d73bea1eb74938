"""An RTMP server that others wrote: nginx with its RTMP module, as plain processes in a group.

    with rtmp_server(tmp_path) as server:
        ... publish to f"{server.url}/NAME" ... play the same URL ...

It takes over a listening socket that is bound already, so there is no port to guess and nothing to wait for: who
connects before it has started waits in the socket's queue. A player that comes before the publisher waits too.
"""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.network.ports import unused_port

STOP_TIMEOUT = 30.0
PROGRAM = "/usr/sbin/nginx"
MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so"
CONFIGURATION = """
{user}
load_module {module};
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log info;
lock_file {folder}/nginx.lock;
events {{ worker_connections 64; }}
rtmp {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        chunk_size 4096;
        application live {{ live on; wait_key on; record all; record_path {folder}; }}
        application refused {{ live on; deny publish all; }}
    }}
}}
"""


class RtmpServer:
    """A server that runs. `url` is that of its application `live`; `refusing_url` takes no publisher."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"rtmp://{self.address}/live"
        self.refusing_url = f"rtmp://{self.address}/refused"
        listener.setblocking(False)  # nginx leaves this to who made it
        self._folder = Path(tempfile.mkdtemp(prefix="rtmp-", dir=folder))
        self._process = self._start(listener)

    @property
    def log(self) -> str:
        """What it has logged."""
        path = self._folder / "nginx.log"
        return path.read_text() if path.exists() else ""

    def recorded(self, name: str) -> Path:
        """What was published under a name of `live`, as FLV. It grows while the publication lasts."""
        return self._folder / f"{name}.flv"

    def pause(self) -> None:
        """It hangs: connections stay, nothing is read or answered."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """After `pause`."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """It is gone, and so are all connections."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_TIMEOUT)

    def _start(self, listener: socket.socket) -> "subprocess.Popen[bytes]":
        configuration = self._folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""  # else it could not write into the folder
        text = CONFIGURATION.format(module=MODULE, folder=self._folder, port=self.port, user=user)
        configuration.write_text(text)
        command = [PROGRAM, "-p", str(self._folder), "-e", str(self._folder / "nginx.log"), "-c", str(configuration)]
        with (self._folder / "output").open("wb") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(listener.fileno(),),
                env=os.environ | {"NGINX": f"{listener.fileno()};"},
                start_new_session=True,
            )


@contextlib.contextmanager
def rtmp_server(folder: Path, *, port: int | None = None) -> Iterator[RtmpServer]:
    """A server with its files below `folder`; on a port that was used before, if it is to come back."""
    with socket.create_server(("127.0.0.1", port or unused_port())) as listener:
        server = RtmpServer(folder, listener)
    try:
        yield server
    finally:
        server.kill()
