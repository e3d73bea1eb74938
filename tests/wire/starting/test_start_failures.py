"""What comes at a bad moment: a signal while the server starts, and a Redis that is not there."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.network import plain_http
from tests.support.network.ports import unused_port
from tests.support.servers.server_process import FREE_PORTS, POLL, ROOT, START_TIMEOUT, running_server


def test_a_signal_during_the_start_ends_the_server_in_order_once_it_has_started(tmp_path: Path) -> None:
    settings = [f"--set={key}={value}" for key, value in {**FREE_PORTS, "ip": "127.0.0.1"}.items()]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "actors.daemon", f"--state={tmp_path / 'state'}", *settings],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not (tmp_path / "state" / "lock").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(POLL)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=START_TIMEOUT)
    finally:
        process.kill()
    assert (process.returncode, "Traceback" in log) == (0, False), log
    assert "shutting down signal=SIGTERM" in log
    assert log.splitlines()[-1].endswith("INFO stopped"), log


def test_without_redis_at_the_start_the_server_serves_alone_and_names_the_setting(tmp_path: Path) -> None:
    settings = {"ip": "127.0.0.1", "cluster.redis_url": f"redis://127.0.0.1:{unused_port()}"}
    with running_server(tmp_path, settings) as server:
        ready = plain_http.get(server.http_url("/readyz"))
        assert (ready.status_code, ready.json()["degraded"]) == (200, ["Redis does not answer"])
        (line,) = [line for line in server.log().splitlines() if "Redis does not answer" in line]
        assert " WARNING " in line
        assert "setting=cluster.redis_url" in line
