"""`/rest-api/source/...`: what it changes, and for whom."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.operator.commands.sources import SourceDesk
from actors.storage.source_store import open_source_store
from protocol.access.roles import Role
from tests.support.web.access import access_of, bearer, token
from tests.support.web.openapi import PATH, Described
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of

LOBBY = {"name": "lobby", "uri": "rtsp://admin:s3cret@camera.example/live?key=s3cret"}
MASKED = {"name": "lobby", "uri": "rtsp://***@camera.example/live?key=***"}


@pytest.fixture
def desk(tmp_path: Path) -> SourceDesk:
    return SourceDesk(open_source_store(tmp_path / "sources.toml"))


async def post(client: httpx.AsyncClient, what: str, by: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | ({} if by is None else {"Authorization": bearer(by)})
    return await client.post(f"/rest-api/source/{what}", content=json.dumps(body), headers=headers)


async def test_a_source_is_added_changed_and_removed_and_its_uri_is_never_shown(desk: SourceDesk) -> None:
    other = {"name": "lobby", "uri": "rtsp://camera.example/other"}
    async with client_of(StreamWorld(), sources=desk) as client:
        described = Described((await client.get(PATH)).json())
        answers = [
            await post(client, "find_all"),
            await post(client, "add", **LOBBY),
            await post(client, "add", **LOBBY),
            await post(client, "add", **other),
            await post(client, "find_all", name="lobby"),
            await post(client, "update", **other),
            await post(client, "update", name="gate", uri=other["uri"]),
            await post(client, "add", name="a://b", uri=other["uri"]),
            await post(client, "add", name="gate", uri="rtsp://u:s3cret@127.1/"),
            await post(client, "remove", name="lobby"),
            await post(client, "remove", name="lobby"),
        ]
    for answer in answers:
        described.check(answer)
        assert "s3cret" not in answer.text
    assert [answer.status_code for answer in answers] == [404, 200, 200, 409, 200, 200, 404, 400, 400, 200, 404]
    assert [answers[index].json()["changed"] for index in (1, 2, 5)] == [True, False, True]
    assert answers[4].json() == [MASKED]
    assert [answers[index].json()["key"] for index in (7, 8)] == ["name", "uri"]
    assert not desk.all()


async def test_a_list_that_is_the_same_on_each_node_takes_no_scope(desk: SourceDesk) -> None:
    async with client_of(StreamWorld(), sources=desk) as client:
        for noun in ("source", "app", "bans"):
            for method in ("GET", "POST"):
                answer = await client.request(method, f"/rest-api/{noun}/find_all?scope=local")
                assert answer.status_code == 400, (noun, method)
                assert "'scope'" in answer.text


async def test_only_admins_who_are_bound_to_no_application_change_sources(desk: SourceDesk, tmp_path: Path) -> None:
    lines: list[str] = []
    access = access_of(
        tmp_path / "users.toml",
        token("admin", Role.ADMIN),
        token("bound", Role.ADMIN, apps=frozenset({"a"})),
        token("viewer", Role.VIEW),
        audit=lines.append,
    )
    async with client_of(StreamWorld(), sources=desk, access=access) as client:
        for what, body in {"add": LOBBY, "update": LOBBY, "remove": {"name": "lobby"}}.items():
            for by in ("viewer", "bound"):
                assert (await post(client, what, by, **body)).status_code == 403, (what, by)
        assert (await post(client, "add", "admin", **LOBBY)).is_success
        assert (await post(client, "find_all", "viewer")).json() == [MASKED]
        assert (await post(client, "find_all", "bound")).status_code == 403
    assert "s3cret" not in "".join(lines)
    assert [json.loads(line)["source_name"] for line in lines if '"200"' in line] == ["lobby"]


async def test_a_change_that_cannot_be_kept_is_not_made(desk: SourceDesk, tmp_path: Path) -> None:
    (tmp_path / "sources.toml").write_text("# edited\n")
    async with client_of(StreamWorld(), sources=desk) as client:
        answer = await post(client, "add", **LOBBY)
    assert (answer.status_code, "was edited while the server runs" in answer.text) == (500, True)
    assert not desk.all()
