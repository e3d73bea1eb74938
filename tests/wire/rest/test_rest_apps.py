"""`/rest-api/app/test`: one marked hook to a backend on a real socket."""

from pathlib import Path

from actors.operator.commands.app_desk import app_desk
from actors.storage.app_store import open_app_store
from config.settings import Settings
from tests.support.hooks.backend import open_backend
from tests.support.hooks.behaviours import allow, deny
from tests.support.web.openapi import PATH, Described
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of

TEST = "/rest-api/app/test"


async def test_a_test_tells_how_far_the_hook_got(tmp_path: Path) -> None:
    desk = app_desk(open_app_store(tmp_path / "apps.toml"), Settings(rest_request_timeout=5.0), "node")
    async with open_backend() as backend, client_of(StreamWorld(), apps=desk) as client:
        described = Described((await client.get(PATH)).json())
        backend.script("ConnectionStatusEvent", allow)
        backend.script("connect", deny(status=404))
        await client.post(
            "/rest-api/app/add",
            json={"name": "Shop", "key": "shop", "url": backend.url, "restUsername": "me", "restPassword": "s3cret"},
        )
        built_in = await client.post(TEST, json={"key": "defaultApp"})
        good = await client.post(TEST, json={"key": "shop"})
        bad = await client.post(TEST, json={"key": "shop", "method": "connect"})
        update = {"key": "shop", "url": "http://169.254.169.254/latest"}
        assert (await client.post("/rest-api/app/update", json=update)).status_code == 200
        denied = await client.post(TEST, json={"key": "shop"})
    for answer in (built_in, good, bad, denied):
        described.check(answer)
        assert "s3cret" not in answer.text
    assert built_in.json()["ok"] is True
    assert "built in" in built_in.json()["message"]
    assert [call.headers["x-wcs-test"] for call in backend.calls] == ["true", "true"]
    assert good.json()["ok"] is True
    assert "is not called by ConnectionStatusEvent otherwise" in good.json()["message"]
    assert [step["step"] for step in good.json()["steps"]] == ["name", "connection", "answer"]
    assert good.json()["steps"][-1]["result"] == "200 OK"
    assert bad.json() | {"steps": []} == {
        "ok": False, "message": f"{backend.url}/connect: answer: 404 Not Found", "steps": []
    }  # fmt: skip
    assert denied.json()["ok"] is False
    assert "where hooks must not go (rest.hook_networks)" in denied.json()["message"]
