"""The table of routes: every route says who may call it and what it takes, and the server does as it says."""

import re
from typing import Any

import pytest
from starlette.datastructures import Headers

from actors.web.api.routes import ApiRoute, RouteTable
from actors.web.responses import OUR_HEADERS
from protocol.access.roles import Role
from protocol.rest.fields import FieldTable
from protocol.rest.operations import ANYONE
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of, routes_of

ROUTES = routes_of(StreamWorld())
REST = [route for route in ROUTES if route.path.startswith("/rest-api/")]


def scope_of(path: str, method: str = "GET", query: bytes = b"") -> dict[str, Any]:
    return {"type": "http", "path": path, "method": method, "query_string": query, "headers": Headers().raw}


def role_of(path: str, method: str = "GET", query: bytes = b"") -> Role | None:
    route = RouteTable(ROUTES).find(scope_of(path, method, query))
    assert route is not None
    return route.role


def test_finding_needs_view_and_acting_needs_operate() -> None:
    for route in REST:
        if route.path.endswith(("/find", "/find_all")):
            assert route.role is Role.VIEW, route.path
        elif route.path.endswith("/terminate"):
            assert route.role is Role.OPERATE, route.path
    assert all(route.role is not ANYONE for route in REST)


def test_the_page_is_open_and_what_it_shows_is_not() -> None:
    assert role_of("/") is role_of("/index.html") is role_of("/healthz") is role_of("/", query=b"action=x") is ANYONE
    assert role_of("/page/state") is Role.VIEW
    for query in (b"action=stat", b"x=1&%61ction=s%74at&format=json", b"action=x&action=stat"):
        assert role_of("/", query=query) is Role.VIEW


def test_what_the_router_does_not_find_has_no_route() -> None:
    table = RouteTable(ROUTES)
    assert table.find(scope_of("/rest-api/stream/terminate")) is None
    assert table.find(scope_of("/nothing")) is None


@pytest.mark.parametrize("route", REST, ids=lambda route: route.path)
async def test_a_request_is_read_by_the_tables_of_its_route(route: ApiRoute) -> None:
    def known(table: FieldTable) -> str:
        return f"known here: {', '.join(sorted(table.fields))}" if table.fields else "none is known here"

    assert route.fields is not None
    path = re.sub(r"\{.*?\}", "x", route.path)
    async with client_of(StreamWorld()) as client:
        for method in route.methods:
            wrong = {"no such field": "x"}
            given: dict[str, Any] = {"json": wrong} if method == "POST" else {"params": wrong}
            answer = await client.request(method, path, **given)
            assert answer.status_code == 400
            assert known(route.fields) in answer.json()["reason"]
        if "POST" in route.methods:
            assert route.query is not None, "a request that changes something ignores what it does not understand"
            answer = await client.post(path, params=wrong, json={})
            assert known(route.query) in answer.json()["reason"]


def test_headers_of_answers_are_exposed_to_pages() -> None:
    named = {header for route in ROUTES for answer in route.answers for header in answer.headers}
    assert named <= set(OUR_HEADERS)
