"""`/rest-api/app/...`: what it changes, and for whom."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.operator.commands.app_desk import AppDesk, app_desk
from actors.storage.app_store import open_app_store
from config.settings import Settings
from protocol.access.roles import Role
from tests.support.web.access import access_of, bearer, token
from tests.support.web.openapi import PATH, Described
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of

SHOP = {"name": "Shop", "key": "shop", "url": "http://127.0.0.1:9/hooks"}
SPECIAL = {"onBreaker": "deny", "spool": "ends"}
AS_ADDED = {
    "name": "Shop", "key": "shop", "url": "http://127.0.0.1:9/hooks", "methods": ["connect"], "rooms": False,
    "onBreaker": "timeout", "spool": "off", "hasCredentials": True, "isSigned": False,
}  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> AppDesk:
    return app_desk(open_app_store(tmp_path / "apps.toml"), Settings(rest_request_timeout=5.0), "node")


async def post(client: httpx.AsyncClient, what: str, by: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | ({} if by is None else {"Authorization": bearer(by)})
    return await client.post(f"/rest-api/app/{what}", content=json.dumps(body), headers=headers)


async def test_an_application_is_added_changed_and_removed(desk: AppDesk, tmp_path: Path) -> None:
    async with client_of(StreamWorld(), apps=desk) as client:
        described = Described((await client.get(PATH)).json())
        answers = [
            await post(client, "add", **SHOP, methods=["connect"], restUsername="me", restPassword="s3cret"),
            await post(client, "update", key="shop", **SPECIAL, rooms=True, methods=["playStream"]),
            await post(client, "update", key="shop", newKey="shop2", url="https://shop.example/", restPassword=""),
            await post(client, "update", key="shop2", spool="off", onBreaker="timeout"),
            await post(client, "update", key="shop2", spool="off"),
            await post(client, "find_all", key="shop2"),
            await post(client, "remove", key="shop2"),
            await post(client, "remove", key="shop2"),
        ]
    for answer in answers:
        described.check(answer)
    assert [answer.status_code for answer in answers] == [200] * 7 + [404]
    added, changed, renamed, default, same, found = (answer.json() for answer in answers[:6])
    assert added == {"changed": True, "message": "application 'Shop' added", "app": AS_ADDED}
    changes = SPECIAL | {"methods": ["playStream"], "rooms": True}
    assert changed["app"] == AS_ADDED | changes
    assert renamed["app"] == AS_ADDED | changes | {"key": "shop2", "url": "https://shop.example/"}
    assert default["app"] == renamed["app"] | {"onBreaker": "timeout", "spool": "off"}
    assert (same["changed"], same["app"]) == (False, default["app"])
    assert found == [default["app"]]
    assert "s3cret" not in "".join(answer.text for answer in answers)
    assert "Shop" not in (tmp_path / "apps.toml").read_text()


@pytest.mark.parametrize(
    ("what", "body", "status", "key", "told"),
    [
        ("add", {"name": "A", "key": "a"}, 400, "url", "url is missing"),
        ("add", SHOP | {"url": "ftp://h/"}, 400, "url", "url: 'ftp://h/' must start with http:// or https://"),
        ("add", SHOP | {"url": "http://u:s3cret@h/"}, 400, "url", "url: 'http://***@h/' must not hold a user name"),
        ("add", SHOP | {"key": "a b"}, 400, "key", "key: 'a b' must not start"),
        ("add", SHOP | {"key": ""}, 400, "key", "key: must not be empty"),
        ("add", SHOP | {"key": "defaultApp"}, 409, "key", "taken by the application 'defaultApp'"),
        ("add", SHOP | {"name": "defaultApp"}, 409, None, "there already, with another key, url"),
        ("add", SHOP | {"restPassword": "x"}, 400, "restPassword", "restPassword: needs a rest_username"),
        ("update", {"key": "defaultApp"}, 400, "url", "nothing to change"),
        ("update", {"key": "defaultApp", "url": ""}, 400, "url", "url must not be empty"),
        ("update", {"key": "defaultApp", "newKey": "roomApp"}, 409, "newKey", "newKey: 'roomApp' is taken by"),
        ("update", {"key": "defaultApp", "methods": ["conect"]}, 400, "methods", "did you mean 'connect'"),
        ("update", {"key": "defaultApp", "methods": [{}]}, 400, "methods", "array of strings only"),
        ("update", {"key": "defaultApp", "methods": None}, 400, "methods", "not null"),
        ("update", {"key": "defaultApp", "onBreaker": "never"}, 400, "onBreaker", "timeout or allow or deny or call"),
        ("update", {"key": "defaultApp", "owner": "a\n"}, 400, "owner", "owner: must not hold control characters"),
        ("update", {"key": "defaultApp", "owner": "\ud800"}, 400, "owner", "owner: must not hold control characters"),
        ("update", {"key": "defaultApp", "name": "x"}, 400, "name", "unknown key 'name'"),
        ("update", {"key": "defualtApp", "rooms": True}, 404, None, "did you mean 'defaultApp'"),
        ("test", {"key": "x" * 9000}, 404, None, "no application with the key"),
        ("test", {"key": "defaultApp", "method": "playStream"}, 400, "method", "connect or ConnectionStatusEvent"),
        ("remove", {}, 400, "key", "key is missing"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_names_the_field_and_changes_nothing(
    desk: AppDesk, what: str, body: dict[str, Any], status: int, key: str | None, told: str
) -> None:
    before = desk.store.table
    async with client_of(StreamWorld(), apps=desk) as client:
        answer = await post(client, what, **body)
    problem = answer.json()
    assert (answer.status_code, problem.get("key")) == (status, key), answer.text
    assert told in problem["reason"]
    assert "s3cret" not in answer.text
    assert len(answer.text) < 1000
    assert desk.store.table == before


async def test_only_admins_change_and_bound_ones_only_what_is_theirs(desk: AppDesk, tmp_path: Path) -> None:
    lines: list[str] = []
    tokens = (
        token("viewer", Role.VIEW),
        token("operator", Role.OPERATE),
        token("bound", Role.ADMIN, apps=frozenset({"shop", "new"})),
        token("admin", Role.ADMIN),
    )
    access = access_of(tmp_path / "users.toml", *tokens, audit=lines.append)
    async with client_of(StreamWorld(), apps=desk, access=access) as client:
        of_another: dict[str, dict[str, Any]] = {
            "add": SHOP | {"key": "a"},
            "update": {"key": "a", "rooms": True},
            "remove": {"key": "a"},
            "test": {"key": "a"},
        }
        for what, body in of_another.items():
            for by in ("viewer", "operator"):
                assert (await post(client, what, by, **body)).status_code == 403
            refused = await post(client, what, "bound", **body)
            assert (refused.status_code, refused.json()["key"]) == (403, "key")
        assert (await post(client, "add", "bound", **SHOP, restUsername="me", restPassword="s3cret")).is_success
        away = await post(client, "update", "bound", key="shop", newKey="other")
        assert (away.status_code, away.json()["key"]) == (403, "newKey")
        assert (await post(client, "update", "bound", key="shop", newKey="new")).status_code == 200
        seen = {by: await post(client, "find_all", by) for by in ("bound", "viewer")}
        assert [app["key"] for app in seen["bound"].json()] == ["new"]
        assert [app["key"] for app in seen["viewer"].json()] == ["defaultApp", "roomApp", "new"]
        assert (await post(client, "find_all", "bound", key="defaultApp")).status_code == 404
        assert (await post(client, "remove", "bound", key="new")).status_code == 200
    assert "s3cret" not in "".join(lines)
    audited = [json.loads(line) for line in lines if '"200"' in line]
    assert [(line["what"], line["app"]) for line in audited] == [
        ("POST /rest-api/app/add", "shop"),
        ("POST /rest-api/app/update", "shop"),
        ("POST /rest-api/app/remove", "new"),
    ]
    assert audited[0]["fields"] == "rest_password, rest_username"


async def test_a_request_with_a_key_is_carried_out_once(desk: AppDesk) -> None:
    headers = {"Idempotency-Key": "k"}
    async with client_of(StreamWorld(), apps=desk) as client:
        first = await client.post("/rest-api/app/add", json=SHOP, headers=headers)
        await post(client, "remove", key="shop")
        again = await client.post("/rest-api/app/add", json=SHOP, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert not desk.store.has_key("shop")


async def test_a_change_that_cannot_be_kept_is_not_made(desk: AppDesk, tmp_path: Path) -> None:
    (tmp_path / "apps.toml").write_text("# edited\n")
    async with client_of(StreamWorld(), apps=desk) as client:
        answer = await post(client, "add", **SHOP)
    assert (answer.status_code, "was edited while the server runs" in answer.text) == (500, True)
    assert not desk.store.has_key("shop")
