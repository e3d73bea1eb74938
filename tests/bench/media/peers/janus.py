"""Janus from Debian: fetched with what it depends on, unpacked into a folder, configured there, run from there.

Nothing is installed: no service starts, no user is made, and the folder's removal leaves no trace.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx
from attrs import frozen

START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0
APT_TIMEOUT = 300.0

_CONFIG = """
general: {{
    configs_folder = "{configs}"
    plugins_folder = "{plugins}"
    transports_folder = "{transports}"
    events_folder = "{configs}"
    loggers_folder = "{configs}"
    debug_level = 2
    debug_colors = false
    session_timeout = 0
    {event_loops}
}}
nat: {{
    nice_debug = false
    ice_lite = true
    ice_enforce_list = "{host}"
}}
plugins: {{ disable = "{disabled_plugins}" }}
transports: {{ disable = "{disabled_transports}" }}
"""
_HTTP = 'general: {{ json = "compact", base_path = "/janus", http = true, port = {port}, ip = "127.0.0.1" }}\n'
_WEBSOCKETS = 'general: {{ json = "compact", ws = true, ws_port = {port}, ws_ip = "127.0.0.1" }}\n'
_USED = ("libjanus_videoroom.so", "libjanus_http.so", "libjanus_websockets.so")


@frozen
class Package:
    """An unpacked package; `root` is what / would be had it been installed."""

    root: Path

    @property
    def libraries(self) -> Path:
        return next(self.root.glob("usr/lib/*/janus")).parent

    @property
    def program(self) -> Path:
        return self.root / "usr/bin/janus"


def fetch(folder: Path) -> Package:
    """Download Janus and what this machine lacks for it, and unpack them into `folder`. Needs apt-get and dpkg-deb."""
    archives, root = folder / "archives", folder / "root"
    (archives / "partial").mkdir(parents=True)
    download = ["apt-get", "install", "--download-only", "--no-install-recommends", "--yes", "--quiet"]
    download += [f"--option=Dir::Cache::archives={archives}", "--option=Debug::NoLocking=true"]
    fetched = _run([*download, "janus"])
    if fetched.returncode:
        _run(["apt-get", "update"])
        fetched = _run([*download, "janus"])
    files = sorted(archives.glob("*.deb"))
    if fetched.returncode:
        raise RuntimeError(f"apt-get could not fetch Janus: {fetched.stderr}")
    if not files:  # it is installed already
        return Package(Path("/"))
    for file in files:
        subprocess.run(["dpkg-deb", "--extract", file, root], check=True)
    return Package(root)


class JanusProcess:
    """A running Janus that listens on loopback for signalling and on `host` for media; used in a `with`."""

    def __init__(self, folder: Path, host: str, package: Package, event_loops: int) -> None:
        http_port, ws_port = _free_ports()
        self.http_url = f"http://127.0.0.1:{http_port}/janus"
        self.ws_url = f"ws://127.0.0.1:{ws_port}"
        self._log = folder / "janus.log"
        configs = folder / "janus"
        _write_configs(configs, package, host, (http_port, ws_port), event_loops)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [package.program, f"--configs-folder={configs}", f"--config={configs}/janus.jcfg"],
                cwd=folder,
                env={**os.environ, "LD_LIBRARY_PATH": str(package.libraries)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        try:
            self.version = self._wait_until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_ready(self) -> str:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                info = httpx.get(f"{self.http_url}/info", trust_env=False, timeout=5).json()
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                libraries = ", ".join(f"{name} {version}" for name, version in info["dependencies"].items())
                return f"{info['version_string']} ({libraries})"
        raise RuntimeError(f"Janus did not start:\n{self._log.read_text()[-4000:]}")


def _write_configs(configs: Path, package: Package, host: str, ports: tuple[int, int], event_loops: int) -> None:
    configs.mkdir()
    plugins, transports = (package.libraries / "janus" / kind for kind in ("plugins", "transports"))
    text = _CONFIG.format(
        configs=configs,
        plugins=plugins,
        transports=transports,
        host=host,
        event_loops=f"event_loops = {event_loops}" if event_loops else "",
        disabled_plugins=",".join(file.name for file in plugins.glob("*.so") if file.name not in _USED),
        disabled_transports=",".join(file.name for file in transports.glob("*.so") if file.name not in _USED),
    )
    (configs / "janus.jcfg").write_text(text)
    (configs / "janus.transport.http.jcfg").write_text(_HTTP.format(port=ports[0]))
    (configs / "janus.transport.websockets.jcfg").write_text(_WEBSOCKETS.format(port=ports[1]))
    (configs / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")


def _free_ports() -> tuple[int, int]:
    """Two TCP ports that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=APT_TIMEOUT, stdin=subprocess.DEVNULL)
