"""The login of the start page, and callers that are bound to applications, in process."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.access.audit import AuditLog
from actors.access.control import AccessControl
from actors.access.page_login import LINK_LIFETIME, PAGE_LIFETIME
from actors.web.callers import narrowed, set_identity
from protocol.access.credentials import Basic
from protocol.access.identity import Identity, Proof
from protocol.access.roles import Role
from protocol.access.throttle import FREE_FAILURES
from protocol.node.filters import StreamFilter
from protocol.rest.operations import ANYONE
from tests.support.moved_clock import Hands, run
from tests.support.web.access import access_of, basic, bearer, token, user
from tests.support.web.stream_world import StreamWorld, connection, stream
from tests.support.web.web_rig import client_of, routes_of

OWN_PAGE = {"X-Requested-With": "wcsd"}


@pytest.fixture
def audit() -> list[str]:
    return []


@pytest.fixture
def access(tmp_path: Path, audit: list[str]) -> AccessControl:
    accounts = (
        user("alice", Role.VIEW),
        user("shopkeeper", Role.ADMIN, apps=frozenset({"shop"})),
        token("shop", Role.ADMIN, apps=frozenset({"shop"})),
    )
    return access_of(tmp_path / "users.toml", *accounts, audit=audit.append)


@pytest.fixture
def world() -> StreamWorld:
    return StreamWorld(
        [
            stream("m1", "mine", app_key="shop", session_id="s1"),
            stream("m2", "hidden", app_key="other", session_id="s2"),
        ],
        [connection("s1", app_key="shop"), connection("hidden-session", app_key="other")],
    )


async def log_in(client: httpx.AsyncClient, **credentials: str) -> httpx.Response:
    return await client.post("/page/login", json=credentials, headers=OWN_PAGE)


async def test_a_page_logs_in_looks_and_logs_out(world: StreamWorld, access: AccessControl, audit: list[str]) -> None:
    async with client_of(world, access=access) as client:
        assert (await client.get("/page/login")).json() == {"required": True}
        given = (await log_in(client, user="alice", password="alice-secret")).json()
        page = {**OWN_PAGE, "Authorization": f"Bearer {given.pop('token')}"}
        assert given == {"expiresIn": 43200, "name": "alice", "role": "view", "apps": None}
        shown = (await client.get("/page/state", headers=page)).json()
        assert shown["caller"] == {"name": "alice", "role": "view", "apps": None}
        refused = await client.post("/rest-api/stream/terminate", json={"name": "mine"}, headers=page)
        assert refused.status_code == 403
        assert (await client.post("/page/logout", headers=page)).status_code == 200
        assert (await client.get("/page/state", headers=page)).status_code == 401
    told = [json.loads(line) for line in audit]
    assert [(line["who"], line["result"].partition(",")[0]) for line in told] == [
        ("user alice", "logged in"),
        ("user alice", "this needs the role operate"),
        ("unknown", "this token is unknown"),
    ]
    assert "secret" not in "".join(audit)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user": "alice", "password": "wrong"}, 401),
        ({"user": "nobody", "password": "x"}, 401),
        ({"link": "unknown"}, 401),
        ({"user": "alice"}, 400),
        ({"user": "alice", "password": "alice-secret", "link": "x"}, 400),
        ({}, 400),
        ({"pass": "x"}, 400),
        ({"user": "alice", "password": "\ud800"}, 401),
        ({"user": "\ud800", "password": "x"}, 401),
        ({"link": "\ud800"}, 401),
    ],
)
async def test_a_login_that_is_refused(
    world: StreamWorld, access: AccessControl, body: dict[str, str], status: int
) -> None:
    async with client_of(world, access=access) as client:
        answer = await client.post("/page/login", content=json.dumps(body), headers=OWN_PAGE)
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"] == 'Bearer realm="wcsd"'


async def test_a_link_logs_in_once_and_guesses_have_to_wait(
    mock_clock: MockClock, world: StreamWorld, access: AccessControl
) -> None:
    link = await access.pages.make_link(Role.OPERATE)
    async with client_of(world, access=access) as client:
        given = (await log_in(client, link=link)).json()
        assert (given["name"], given["role"]) == ("console", "operate")
        page = {**OWN_PAGE, "Authorization": f"Bearer {given['token']}"}
        assert (await client.get("/page/state", headers=page)).status_code == 200
        statuses = [(await log_in(client, link=link)).status_code for _ in range(FREE_FAILURES + 2)]
        assert statuses == [401] * FREE_FAILURES + [429, 429]
        assert (await client.get("/page/state", headers=page)).status_code == 200, "who is logged in stays"


async def test_a_page_of_a_user_who_is_changed_is_logged_out(world: StreamWorld, access: AccessControl) -> None:
    async with client_of(world, access=access) as client:
        given = (await log_in(client, user="alice", password="alice-secret")).json()
        page = {**OWN_PAGE, "Authorization": f"Bearer {given['token']}"}
        alice = access.store.table.known_user("alice")
        await access.store.change(lambda table: (table.with_user(evolve(alice, role=Role.ADMIN)), None))
        assert (await client.get("/page/state", headers=page)).status_code == 401


@pytest.mark.parametrize("password", ["alice-secret", "guess"])
async def test_passwords_cannot_be_tried_by_asking_whether_a_login_is_needed(
    world: StreamWorld, access: AccessControl, password: str
) -> None:
    async with client_of(world, access=access) as client:
        answer = await client.get("/page/login", headers={"Authorization": basic("alice", password)})
    assert answer.json() == {"required": True}
    assert access.hashing.hashed == 0


async def test_a_malformed_header_is_no_crash(world: StreamWorld, access: AccessControl) -> None:
    bad = {"Authorization": "Nonsense"}
    async with client_of(world, access=access) as client:
        assert (await client.get("/page/login", headers=bad)).json() == {"required": True}
        assert (await client.post("/page/logout", headers=bad)).status_code == 400
        assert (await client.post("/page/logout")).status_code == 400


# -- bound callers -----------------------------------------------------------------------------------------------------

ROUTES = routes_of(StreamWorld())
CLOSED = [
    (method, route)
    for route in ROUTES
    if route.role is not ANYONE and not route.is_endless  # these have tests of their own
    for method in route.methods
]


@pytest.mark.parametrize(("method", "route"), CLOSED, ids=lambda each: getattr(each, "path", each))
async def test_no_route_shows_or_touches_what_belongs_to_another_application(
    world: StreamWorld, access: AccessControl, method: str, route: Any
) -> None:
    """Whatever a route may be asked for: those that are added later are tested as well."""
    path = "/?action=stat" if route.action else route.path
    world.counters = {"stream": {"hidden": 1}}
    bodies: list[Any] = [None]
    if method == "POST":
        bodies = [
            {},
            {"name": "hidden"},
            {"appKey": "other"},
            {"mediaSessionId": "m2"},
            {"sessionId": "hidden-session"},
        ]
    async with client_of(world, access=access) as client:
        for authorization in (bearer("shop"), basic("shopkeeper")):
            for body in bodies:
                answer = await client.request(method, path, json=body, headers={"Authorization": authorization})
                assert answer.status_code < 500 or answer.status_code == 501, "no SIP here"
                if "openapi" not in path:
                    assert b"hidden" not in answer.content
    assert "m2" in world.ids
    assert "hidden-session" in {each.session_id for each in world.connections}


def test_neither_a_page_nor_a_link_outlives_its_time_because_the_server_stood_still(access: AccessControl) -> None:
    async def main(hands: Hands) -> None:
        control = AccessControl(access.store, policy=lambda _: True, audit=AuditLog(lambda line: None))
        page, _ = await control.log_in(Basic("alice", "alice-secret"), "192.0.2.1")
        assert control.pages.identity(page) is not None
        link = await control.pages.make_link(Role.VIEW)
        hands.stand_still(LINK_LIFETIME + 1)
        assert await control.pages.open_link(link) is None
        hands.stand_still(PAGE_LIFETIME)
        assert control.pages.identity(page) is None

    run(main)


APPS = st.sampled_from(["shop", "other", "third"])


@given(
    st.lists(st.tuples(APPS, st.sampled_from(["a", "b"])), max_size=8),
    st.frozensets(APPS, min_size=1),
    st.fixed_dictionaries({}, optional={"app_key": APPS, "name": st.sampled_from(["a", "b", "c"])}),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_narrowed_filter_finds_exactly_what_is_meant_within_the_applications(
    streams: list[tuple[str, str]], apps: frozenset[str], conditions: dict[str, Any]
) -> None:
    scope: dict[str, Any] = {}
    set_identity(scope, Identity(proof=Proof.TOKEN, name="t", role=Role.ADMIN, apps=apps), Role.VIEW)
    query = StreamFilter(**conditions)
    described = [stream(str(number), name, app_key=app) for number, (app, name) in enumerate(streams)]
    found = [each for each in described if narrowed(scope, query).matches(each)]
    assert found == [each for each in described if query.matches(each) and each.app_key in apps]
