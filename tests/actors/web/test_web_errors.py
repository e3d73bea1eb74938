"""Errors as problems (RFC 9457), and the id of each request."""

import logging
from typing import Any

import httpx
import pytest

from actors.web.responses import OUR_HEADERS
from protocol.node.descriptions import StreamDescription
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found, Page
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import client_of, settings_with

FIND = "/rest-api/stream/find"
TERMINATE = "/rest-api/stream/terminate"
EVIL = "http://evil.example"
PROBLEM = {"Accept": "application/problem+json, application/json"}


class FaultyWorld(StreamWorld):
    """A world that cannot be searched."""

    async def find(self, query: StreamFilter, page: Page, *, traffic: bool) -> Found[StreamDescription]:
        raise ZeroDivisionError


async def answer_to(method: str, path: str, world: StreamWorld | None = None, **request: Any) -> httpx.Response:
    async with client_of(world or StreamWorld([stream("m", "room")]), crashes=False) as client:
        return await client.request(method, path, **request)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", f"{FIND}?nam=x", {}, 400),
        ("GET", FIND, {"Origin": EVIL}, 403),
        ("GET", f"{FIND}?name=x", {}, 404),
        ("GET", "/nothing", {}, 404),
        ("PUT", FIND, {}, 405),
        ("POST", "/rest-api/pull/pull", {}, 501),
    ],
)
async def test_an_error_is_a_problem_for_those_who_accept_it(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    plain = await answer_to(method, path, headers=headers)
    problem = await answer_to(method, path, headers=headers | PROBLEM)
    assert plain.headers["content-type"] == "application/json"
    assert problem.headers["content-type"] == "application/problem+json"
    assert "Accept" in plain.headers["vary"]
    assert plain.json() == problem.json()
    assert plain.json()["status"] == plain.status_code == problem.status_code == status


async def test_what_is_found_is_no_problem() -> None:
    assert (await answer_to("GET", FIND, headers=PROBLEM)).headers["content-type"] == "application/json"


async def test_a_fault_of_ours_is_a_problem_with_an_id() -> None:
    answer = await answer_to("GET", FIND, FaultyWorld(), headers=PROBLEM | {"X-Request-Id": "mine"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "mine"


# -- the id of a request -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", FIND, {}, 200),
        ("GET", "/healthz", {}, 200),
        ("GET", f"{FIND}?name=x", {}, 404),
        ("GET", FIND, {"Origin": EVIL}, 403),
        ("OPTIONS", FIND, {}, 200),
    ],
)
async def test_every_answer_has_the_id_of_its_request(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    named = await answer_to(method, path, headers=headers | {"X-Request-Id": "order-7/4"})
    others = [(await answer_to(method, path, headers=headers)).headers["x-request-id"] for _ in range(2)]
    assert named.status_code == status
    assert named.headers["x-request-id"] == "order-7/4"
    assert others[0] != others[1]


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "\N{LATIN SMALL LETTER E WITH ACUTE}", "a\x01", "a\tb"])
async def test_an_id_that_is_long_or_cannot_be_printed_is_replaced(given: str) -> None:
    answer = await answer_to("GET", FIND, headers=[(b"x-request-id", given.encode())])
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] not in (given, "")
    assert len(answer.headers["x-request-id"]) <= 128


async def test_of_two_ids_none_is_taken() -> None:
    answer = await answer_to("GET", FIND, headers=[("x-request-id", "a"), ("x-request-id", "b")])
    assert answer.headers["x-request-id"] not in ("a", "b")


@pytest.mark.parametrize(
    ("path", "body", "event"),
    [
        (TERMINATE, {"name": "room"}, "streams terminated by rest"),
        (f"{TERMINATE}?dry_run=true", {"name": "room"}, "terminate tried by rest"),
        ("/rest-api/connection/terminate", {"sessionId": "s"}, "connections terminated by rest"),
        (TERMINATE, {"nam": "room"}, "request not understood"),
    ],
)
async def test_log_lines_of_a_request_have_its_id(
    path: str, body: dict[str, str], event: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wcsd")
    await answer_to("POST", path, json=body, headers={"X-Request-Id": "order-7"})
    (record,) = [record for record in caplog.records if record.getMessage() == event]
    assert record.__dict__["wcsd_fields"]["request"] == "order-7"


async def test_pages_of_other_origins_may_read_our_headers() -> None:
    async with client_of(StreamWorld(), settings_with(rest_access_control_allow_origin=(EVIL,))) as client:
        answer = await client.get(FIND, headers={"Origin": EVIL})
    exposed = answer.headers["access-control-expose-headers"].split(",")
    assert exposed == list(OUR_HEADERS)
    assert {"X-Request-Id", "X-Total-Count", "X-Terminated-Count"} <= set(exposed)
