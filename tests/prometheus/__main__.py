"""Tries the dashboard and the alert rules with a real Prometheus: each query is understood, and returns something.

    bin/test long prometheus

A server is scraped for some seconds while clients publish, play and call, and do what makes each family count. It needs
Debian's `prometheus`, of which no service runs. The exit code is 1 if a query fails or returns nothing.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

from config.apps import ALL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from tests.support.calls.echo_phone import EchoPhone, echo_phone
from tests.support.calls.page_call import ACCOUNT, call
from tests.support.hooks.backend import backend_thread
from tests.support.hooks.behaviours import answer
from tests.support.network import plain_http
from tests.support.network.ports import unused_port
from tests.support.servers.queries import ALERTS, alert_queries, dashboard_queries
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client

WINDOW = "8s"
TRAFFIC_SECONDS = 9.0
"""Each of them with a scrape."""
MORE_SECONDS = 60.0
"""A slow machine may take so much longer until there is something of everything within the window."""
START_SECONDS = 60.0
SETTINGS = {"ip": "127.0.0.1", "rest.auth": "required"}


def main() -> int:
    """Check and ask. The exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not _are_rules(folder):
            return 1
        with backend_thread() as backend:
            backend.script("StreamStatusEvent", answer(500))
            _with_app(folder, backend.url)
            with (
                echo_phone() as phone,
                running_server(folder, SETTINGS | _sip(phone)) as server,
                _prometheus(folder, server) as prometheus,
            ):
                server.headers = {"Authorization": f"Bearer {_new_token(server, 'operate')}"}
                return trio.run(_traffic, server, partial(_ask, prometheus))


def _sip(phone: EchoPhone) -> dict[str, object]:
    """Settings for calls, all of which one client may make."""
    return {
        "sip.servers": f"127.0.0.1:{phone.address[1]}",
        "sip.address": "127.0.0.1",
        "sip.max_calls_per_minute": 1000,
        "port_from": 0,
    }


def _are_rules(folder: Path) -> bool:
    """Whether promtool takes the alert rules, and the queries of the dashboard as recording rules."""
    rules = [{"record": f"wcsd:query:{number}", "expr": query} for number, query in enumerate(dashboard_queries())]
    recorded = folder / "dashboard-rules.json"  # every JSON is YAML
    recorded.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    ended = [subprocess.run(["promtool", "check", "rules", str(file)], check=False) for file in (ALERTS, recorded)]
    return all(each.returncode == 0 for each in ended)


def _with_app(folder: Path, url: str) -> None:
    (folder / "state").mkdir(mode=0o700)
    app = App(name="defaultApp", key="defaultApp", url=url, methods=frozenset(ALL_METHODS))
    (folder / "state" / "apps.toml").write_text(write_apps(AppTable((app,))))


@contextmanager
def _prometheus(folder: Path, server: ServerProcess) -> Iterator[str]:
    """The address of a Prometheus that scrapes the server each second."""
    address = f"127.0.0.1:{unused_port()}"
    target = server.http_url("").removeprefix("http://")
    scrape = {
        "job_name": "wcsd",
        "scrape_interval": "1s",
        "static_configs": [{"targets": [target]}],
        "authorization": {"credentials": _new_token(server, "metrics")},
    }
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"scrape_configs": [scrape], "rule_files": [str(ALERTS)]}))
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    process = subprocess.Popen(command)
    try:
        _wait_until_ready(f"http://{address}")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def _new_token(server: ServerProcess, role: str) -> str:
    told = server.operate("add", "token", f"of-{role}", "--role", role)
    return next(word for word in told.split() if word.startswith("wcsd_"))


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if plain_http.answers(f"{address}/-/ready"):
            return
        time.sleep(0.1)
    raise TimeoutError("Prometheus is not ready")


async def _traffic(server: ServerProcess, ask: Callable[[], list[str]]) -> int:
    """What makes every family count, for a while; then, with streams there, `ask` says what is wrong. The exit code.

    Whatever is not there yet may come with the next round, for some time.
    """
    ready = trio.current_time() + TRAFFIC_SECONDS
    wrong = ["nothing was asked"]
    account = ACCOUNT | {"sipRegisterRequired": True}
    async with wcs_client(server.ws_url(), answers_pings=True, **account) as page:
        news = await page.publish("news")
        await page.play("news")
        number = 0
        while wrong and trio.current_time() < ready + MORE_SECONDS:
            number += 1
            await _round(server, page, news, f"short{number}")
            if trio.current_time() > ready:
                wrong = await trio.to_thread.run_sync(ask)
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


async def _round(server: ServerProcess, page: WcsClient, news: ClientStream, name: str) -> None:
    """Something for every family."""
    for _ in range(20):
        news.send_key_frame()
    await page.publish(name)
    await page.play(name)
    await page.send("publishStream", {"mediaSessionId": 1})  # unusable
    await trio.to_thread.run_sync(server.terminate, {"name": name})
    await trio.to_thread.run_sync(server.operate, "show", "bans")
    await _calls(page)
    async with wcs_client(server.ws_url(), established=False) as stranger:
        await stranger.send("connection", {"appKey": "unknown"})
    await trio.sleep(0.5)


async def _calls(page: WcsClient) -> None:
    """A call with a digit, and one that is refused."""
    made = await call(page)
    await made.status("talk", "ESTABLISHED")
    await made.command("sendDtmf", type="INFO", dtmf="1")
    await made.command("hangup")
    await made.status("finish", "FINISH")
    refused = await call(page, "+4930123456")
    await refused.status("finish", "FAILED")


def _ask(prometheus: str) -> list[str]:
    """Each query that returns nothing, and each rule that cannot be evaluated."""
    silent = []
    queries = [*dashboard_queries(WINDOW), *alert_queries(WINDOW)]
    for query in queries:
        result = plain_http.get(f"{prometheus}/api/v1/query", params={"query": query}).json()
        if result["status"] != "success" or not result["data"]["result"]:
            silent.append(f"{query}: {result.get('error', 'nothing')}")
    groups = plain_http.get(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
    unwell = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"]
    print(f"{len(queries) - len(silent)} of {len(queries)} queries return series", flush=True)
    return [*silent, *unwell]


if __name__ == "__main__":
    sys.exit(main())
