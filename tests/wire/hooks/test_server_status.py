"""A server that is killed tells the backend, when it starts again, which streams are gone."""

from pathlib import Path
from typing import Any

import trio

from config.apps import App, AppTable
from config.tables.apps_file import write_apps
from tests.support.hooks.backend import ScriptedBackend, open_backend
from tests.support.hooks.behaviours import app_config, rewrite
from tests.support.servers.server_process import POLL, ServerProcess
from tests.support.session.wcs_client import PATIENCE, wcs_client

METHODS = frozenset({"connect", "publishStream", "ServerStatusEvent"})
RENAMING = app_config(publishStream={"restPolicy": "OVERWRITE", "restOverwrite": "name"})


async def test_a_kill_leaves_nothing_open_for_ever(tmp_path: Path) -> None:
    async with open_backend() as backend:
        backend.script("connect", rewrite(restClientConfig=RENAMING))
        backend.script("publishStream", rewrite(name="renamed"))
        with_apps(tmp_path, backend.url)
        publication = await killed_while_publishing(tmp_path, backend)
        assert [each["previousEnd"] for each in await told(backend, "STARTED")] == ["clean", "clean"]

        second = await started(tmp_path)
        mine, others = await told(backend, "STARTED")
        assert (mine["previousEnd"], mine["truncated"], others["streams"]) == ("crash", False, [])
        (stream,) = mine["streams"]
        assert (stream["mediaSessionId"], stream["name"], stream["published"]) == (publication, "renamed", True)
        assert mine["nodeId"].partition("@")[0] == (tmp_path / "state" / "node-id").read_text().strip()

        await trio.to_thread.run_sync(second.stop)
        assert [each["appKey"] for each in await told(backend, "STOPPING")] == ["defaultApp", "otherApp"]
        third = await started(tmp_path)
        assert [each["previousEnd"] for each in await told(backend, "STARTED")] == ["clean", "clean"]
        await trio.to_thread.run_sync(third.stop)


def with_apps(folder: Path, url: str) -> None:
    (folder / "state").mkdir(mode=0o700)
    apps = (
        App(name="defaultApp", key="defaultApp", url=url, methods=METHODS),
        App(name="other", key="otherApp", url=f"{url}/other", methods=METHODS),
    )
    (folder / "state" / "apps.toml").write_text(write_apps(AppTable(apps)))


async def started(folder: Path) -> ServerProcess:
    return await trio.to_thread.run_sync(ServerProcess, folder, {"ip": "127.0.0.1"})


async def killed_while_publishing(folder: Path, backend: ScriptedBackend) -> str:
    """The id of the stream that a dead server has left open."""
    server = await started(folder)
    with trio.fail_after(PATIENCE):
        await backend.wait_for("ServerStatusEvent", count=2)
    record = folder / "state" / "run.jsonl"
    async with wcs_client(server.ws_url()) as page:
        publication = await page.publish("as-asked-for")
        with trio.fail_after(PATIENCE):
            while "renamed" not in record.read_text():  # noqa: ASYNC110 - it is written behind, and nobody is told
                await trio.sleep(POLL)
        await trio.to_thread.run_sync(server.kill)
    return publication.id


async def told(backend: ScriptedBackend, status: str) -> list[dict[str, Any]]:
    """What both applications are told with this status; forgotten then."""
    with trio.fail_after(PATIENCE):
        calls = await backend.wait_for("ServerStatusEvent", count=2)
    backend.calls.clear()
    bodies = [call.body for call in calls]
    assert {body["status"] for body in bodies} == {status}
    return sorted(bodies, key=lambda body: str(body["appKey"]))
