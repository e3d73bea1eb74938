"""Who is let in to REST on real sockets: passwords, tokens, certificates, roles, and attackers."""

import base64
import json
import ssl
from pathlib import Path

import attrs
import httpx
import pytest
import trio
import trio.lowlevel
import trustme

from actors.access.control import AccessControl
from actors.access.password_login import MAX_PER_ADDRESS
from config.settings import Settings
from protocol.access.roles import Role
from protocol.access.throttle import FREE_FAILURES
from tests.support.web.access import access_of, basic, bearer, token, user
from tests.support.web.rest_rig import FIND, LIMIT, TERMINATE
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import app_of
from tests.support.web.web_server import Certificate, RawAnswer, WebServer

FILTER = b'{"name": "nobody"}'


@pytest.fixture
def clock() -> list[float]:
    """The time of the throttle, so that no test waits."""
    return [0.0]


@pytest.fixture
def audit() -> list[str]:
    """The lines of the audit file."""
    return []


@pytest.fixture
def access(tmp_path: Path, clock: list[float], audit: list[str]) -> AccessControl:
    accounts = (
        user("admin", Role.ADMIN),
        user("operator"),
        user("viewer", Role.VIEW),
        user("scraper", Role.METRICS),
        user("gone", is_active=False),
        token("backend"),
        token("old", expires="2027-01-14"),
        token("last-day", expires="2027-01-15"),
    )
    return access_of(tmp_path / "users.toml", *accounts, clock=lambda: clock[0], audit=audit.append)


@pytest.fixture
def authorities() -> tuple[trustme.CA, trustme.CA]:
    """The authority that the server trusts for clients, and a stranger's."""
    return trustme.CA(), trustme.CA()


@pytest.fixture
def settings(tmp_path: Path, authorities: tuple[trustme.CA, trustme.CA]) -> Settings:
    path = tmp_path / "client-ca.pem"
    authorities[0].cert_pem.write_to_path(path)
    return Settings(https_client_ca=path, rest_max_failed_requests=1000)


@pytest.fixture
def closed(nursery: trio.Nursery, server: WebServer, access: AccessControl, world: StreamWorld) -> WebServer:
    """The server, once more, and callers must log in."""
    running = WebServer(
        app=app_of(world, server.settings, access=access), settings=server.settings, certificate=server.certificate
    )
    running.start(nursery)
    return running


async def ask(server: WebServer, head: str, *headers: str, body: bytes = b"") -> RawAnswer:
    """One request on a connection of its own."""
    client = await server.connect()
    length = [f"Content-Length: {len(body)}"] if body else []
    with trio.fail_after(LIMIT):
        async with client.stream:
            await client.send("\n".join([f"{head} HTTP/1.1", *headers, *length, "Connection: close"]), body=body)
            return await client.answer()


async def status_with(server: WebServer, authorization: str, path: str = FIND) -> int:
    return (await ask(server, f"GET {path}", f"Authorization: {authorization}")).status


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (basic("operator"), 200),
        (basic("viewer"), 200),
        (bearer("backend"), 200),
        (bearer("last-day"), 200),
        (basic("scraper"), 403),
        (basic("operator", "wrong"), 401),
        (basic("operator", ""), 401),
        (basic("nobody"), 401),
        (basic("gone"), 401),
        (bearer("old"), 401),
        (bearer("unknown"), 401),
        ("Basic !", 400),
        ("Digest x", 400),
    ],
)
async def test_who_may_look(closed: WebServer, authorization: str, status: int) -> None:
    assert await status_with(closed, authorization) == status


async def test_without_credentials_only_health_and_the_files_of_the_page_answer(closed: WebServer) -> None:
    for path, status in [
        ("/healthz", 200), ("/readyz", 200), ("/", 200), ("/page.js", 200), ("/?action=stat", 401),
        ("/page/state", 401), (FIND, 401), ("/rest-api/unknown", 401), ("/unknown", 401),
    ]:  # fmt: skip
        assert ((await ask(closed, f"GET {path}")).status, path) == (status, path)


async def test_each_role_may_do_what_its_routes_say(closed: WebServer, world: StreamWorld) -> None:
    for name, status in [("scraper", 403), ("viewer", 403), ("operator", 404), ("admin", 404)]:
        answer = await ask(closed, f"POST {TERMINATE}", f"Authorization: {basic(name)}", body=FILTER)
        assert (answer.status, name) == (status, name)
    assert world.ids == {"m"}


async def test_an_operator_stops_a_stream(closed: WebServer, world: StreamWorld) -> None:
    answer = await ask(closed, f"POST {TERMINATE}", f"Authorization: {bearer('backend')}", body=b'{"name": "room"}')
    assert answer.status == 200
    assert world.ids == set()


# -- challenges ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "browser",
    [["X-Requested-With: wcsd"], ["Sec-Fetch-Mode: cors"], ["Origin: http://localhost"]],
)
async def test_a_browser_is_told_bearer_alone(closed: WebServer, browser: list[str]) -> None:
    answer = await ask(closed, f"GET {FIND}", *browser)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="wcsd"')


async def test_a_client_of_wcs_gets_the_challenge_it_knows(closed: WebServer) -> None:
    """Its library answers a 401 with Basic, and sends no credentials before it."""
    answer = await ask(closed, f"GET {FIND}")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="wcsd", charset="UTF-8"')
    async with httpx.AsyncClient(auth=httpx.DigestAuth("x", "y"), trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{closed.port}{FIND}")).status_code == 401
    async with httpx.AsyncClient(auth=("operator", "operator-secret"), trust_env=False) as client:
        answered = await client.post(f"http://127.0.0.1:{closed.port}{FIND}", json={})
        assert (answered.status_code, answered.headers["x-total-count"]) == (200, "1")


async def test_a_refusal_says_neither_who_exists_nor_what_was_sent(closed: WebServer) -> None:
    bodies = {
        (await ask(closed, f"GET {FIND}", f"Authorization: {basic(name, 'guess')}")).body
        for name in ("operator", "nobody", "gone")
    }
    assert len(bodies) == 1
    assert b"guess" not in bodies.pop()


# -- pages of other origins ------------------------------------------------------------------------------------------


async def test_a_preflight_needs_no_credentials_and_allows_them(closed: WebServer) -> None:
    answer = await ask(
        closed, f"OPTIONS {TERMINATE}", "Origin: http://localhost", "Access-Control-Request-Method: POST"
    )
    assert answer.status == 200
    assert "authorization" in answer.headers["access-control-allow-headers"].split(",")


async def test_a_foreign_page_is_refused_before_its_credentials_are_looked_at(closed: WebServer) -> None:
    answer = await ask(closed, f"POST {TERMINATE}", "Origin: http://evil.example", f"Authorization: {basic('admin')}")
    assert answer.status == 403


async def test_a_page_whose_name_was_made_to_point_here_has_no_credentials(closed: WebServer) -> None:
    client = await closed.connect()
    request = f"GET {FIND} HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n"
    async with client.stream:
        await client.stream.send_all(request.encode())
        assert (await client.answer()).status == 401


# -- client certificates ---------------------------------------------------------------------------------------------


def context_with(certificate: Certificate, authority: trustme.CA | None, name: str) -> ssl.SSLContext:
    """A client that trusts the server and shows a certificate of this authority for `name`."""
    context = ssl.create_default_context(cadata=None)
    context.load_verify_locations(cadata=ca_of(certificate))
    if authority is not None:
        authority.issue_cert(f"{name}.example", common_name=name).configure_cert(context)
    return context


def ca_of(certificate: Certificate) -> bytes:
    return certificate.trust.get_ca_certs(binary_form=True)[-1]


async def find_over_tls(server: WebServer, context: ssl.SSLContext, **headers: str) -> int:
    url = f"https://localhost:{server.tls_port}{FIND}"
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        return (await client.get(url, headers=headers)).status_code


async def test_a_client_certificate_names_a_user(closed: WebServer, authorities: tuple[trustme.CA, trustme.CA]) -> None:
    ours, strangers = authorities
    for name, status in [("viewer", 200), ("scraper", 403), ("nobody", 401), ("gone", 401)]:
        context = context_with(closed.certificate, ours, name)
        assert (await find_over_tls(closed, context), name) == (status, name)
    without = context_with(closed.certificate, None, "")
    assert await find_over_tls(closed, without) == 401
    assert await find_over_tls(closed, without, Authorization=bearer("backend")) == 200
    with pytest.raises(httpx.TransportError):
        await find_over_tls(closed, context_with(closed.certificate, strangers, "viewer"))


# -- attackers -------------------------------------------------------------------------------------------------------


async def test_a_guesser_has_to_wait_and_who_is_remembered_passes(closed: WebServer, clock: list[float]) -> None:
    assert await status_with(closed, basic("operator")) == 200
    for number in range(FREE_FAILURES):
        assert await status_with(closed, basic("operator", f"guess{number}")) == 401
    waits = []
    for number in range(4):
        held = await ask(closed, f"GET {FIND}", f"Authorization: {basic('operator', f'more{number}')}")
        assert held.status == 429
        waits.append(held.headers["retry-after"])
        clock[0] += float(held.headers["retry-after"])
        assert await status_with(closed, basic("operator", f"again{number}")) == 401
    assert waits == ["1", "2", "4", "8"]
    held = await ask(closed, f"GET {FIND}", f"Authorization: {basic('viewer')}")
    assert held.status == 429, "even a right password, which nobody has compared yet"
    assert await status_with(closed, basic("operator")) == 200
    assert await status_with(closed, bearer("backend")) == 200


async def test_a_remembered_password_needs_no_hash_until_the_user_changes(
    closed: WebServer, access: AccessControl, clock: list[float]
) -> None:
    for _ in range(5):
        assert await status_with(closed, basic("operator")) == 200
    assert access.hashing.hashed == 1
    clock[0] += 301
    assert await status_with(closed, basic("operator")) == 200
    assert access.hashing.hashed == 2
    known = access.store.table.known_user("operator")
    await access.store.change(lambda table: (table.with_user(attrs.evolve(known, is_active=False)), None))
    assert await status_with(closed, basic("operator")) == 401


async def test_a_burst_of_one_password_is_compared_once(closed: WebServer, access: AccessControl) -> None:
    statuses: list[int] = []

    async def one() -> None:
        statuses.append(await status_with(closed, basic("operator")))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(one)
    assert statuses == [200] * 20
    assert access.hashing.hashed == 1


async def test_a_burst_of_guesses_costs_few_hashes_and_leaves_the_loop_alone(
    closed: WebServer, access: AccessControl
) -> None:
    """Unknown users cost a whole hash each, one after the other in a thread, and the loop goes round meanwhile."""
    statuses: list[int] = []
    turns_during_hash: list[int] = []
    turns = 0

    async def guess(number: int) -> None:
        nonlocal turns
        statuses.append(await status_with(closed, basic("nobody", f"guess{number}")))
        turns_during_hash.append(turns)
        turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as counting:
        counting.start_soon(count_turns)
        async with trio.open_nursery() as guessing:
            for number in range(40):
                guessing.start_soon(guess, number)
        counting.cancel_scope.cancel()
    compared = statuses.count(401)
    assert statuses.count(429) == 40 - compared
    assert MAX_PER_ADDRESS <= compared < FREE_FAILURES + MAX_PER_ADDRESS
    assert access.hashing.hashed == compared
    assert sum(count > 5 for count in turns_during_hash) >= MAX_PER_ADDRESS - 1


async def test_the_day_of_use_of_a_token_is_kept(closed: WebServer, access: AccessControl, tmp_path: Path) -> None:
    assert await status_with(closed, bearer("backend")) == 200
    assert access.last_used("backend") == "2027-01-15"
    await access.save_use()
    assert 'last_used = "2027-01-15"' in (tmp_path / "users.toml").read_text()
    assert (tmp_path / "users.toml").stat().st_mode & 0o777 == 0o600
    assert b"wcsd_backend" not in (tmp_path / "users.toml").read_bytes()


async def test_no_secret_is_logged(closed: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    for authorization in (basic("operator", "guessed"), bearer("guessed"), "Digest guessed", basic("guessed", "x")):
        await status_with(closed, authorization)
    told = "".join(str(record.__dict__) for record in caplog.records)
    assert "login refused" in told
    assert "guessed" not in told
    assert base64.b64encode(b"operator:guessed").decode() not in told


async def test_the_audit_file_tells_who_did_what_and_whose_login_was_refused(
    closed: WebServer, audit: list[str]
) -> None:
    as_operator = f"Authorization: {basic('operator')}"
    await ask(closed, f"GET {FIND}", as_operator)
    await ask(closed, f"GET {FIND}")
    await ask(closed, f"POST {TERMINATE}", as_operator, "X-Request-Id: mine", body=b'{"name": "room"}')
    await ask(closed, f"POST {TERMINATE}?dry_run=true", f"Authorization: {bearer('backend')}", body=FILTER)
    await ask(closed, f"POST {TERMINATE}", as_operator, body=b"{")
    await ask(closed, f"POST {TERMINATE}", f"Authorization: {basic('viewer')}", body=FILTER)
    await status_with(closed, basic("operator", "guess"))
    await status_with(closed, basic("guess", "x"))
    lines = [json.loads(line) for line in audit]
    assert [(line["who"], line["what"], line["result"]) for line in lines] == [
        ("user operator", f"POST {TERMINATE}", "200"),
        ("token backend", f"POST {TERMINATE}", "404"),
        ("user operator", f"POST {TERMINATE}", "400"),
        ("user viewer", f"POST {TERMINATE}", "this needs the role operate, and user viewer has view"),
        ("operator", f"GET {FIND}", "wrong user or password"),
        ("unknown", f"GET {FIND}", "wrong user or password"),
    ]
    assert (lines[0]["filter"], lines[0]["matched"], lines[0]["request"]) == ({"name": "room"}, 1, "mine")
    assert (lines[1]["matched"], lines[1]["dry_run"]) == (0, True)
    assert {line["from"] for line in lines} == {"127.0.0.1"}
    assert "guess" not in "".join(audit)


async def test_two_headers_are_refused(closed: WebServer) -> None:
    answer = await ask(closed, f"GET {FIND}", f"Authorization: {basic('admin')}", f"Authorization: {bearer('backend')}")
    assert answer.status == 400


# -- bound applications ----------------------------------------------------------------------------------------------


async def test_a_bound_caller_sees_and_stops_only_its_own(
    nursery: trio.Nursery, server: WebServer, tmp_path: Path
) -> None:
    world = StreamWorld([stream("m1", "room", app_key="shop"), stream("m2", "room", app_key="other")])
    access = access_of(tmp_path / "users.toml", token("shop", apps=frozenset({"shop"})))
    running = WebServer(app=app_of(world, access=access), settings=server.settings, certificate=server.certificate)
    running.start(nursery)
    found = await ask(running, f"GET {FIND}", f"Authorization: {bearer('shop')}")
    assert (b"m1" in found.body, b"m2" in found.body, found.headers["x-total-count"]) == (True, False, "1")
    assert await status_with(running, bearer("shop"), "/?action=stat") == 403
    for body, status, left in [
        (b'{"appKey": "other"}', 404, {"m1", "m2"}),
        (b'{"mediaSessionId": "m2"}', 404, {"m1", "m2"}),
        (b"{}", 200, {"m2"}),
    ]:
        answer = await ask(running, f"POST {TERMINATE}", f"Authorization: {bearer('shop')}", body=body)
        assert (answer.status, world.ids) == (status, left)
