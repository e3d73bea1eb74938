"""A running server answers as its document says: some requests out of its own tables.

`bin/test api` tries many more.
"""

import string
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from attrs import frozen
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from actors.web.api.routes import ApiRoute
from protocol.access.roles import Role
from protocol.rest.fields import Schema
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import wcs_client
from tests.support.web.openapi import PATH, Described
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import routes_of

ROUTES = [
    route
    for route in routes_of(StreamWorld())
    if route.is_described and route.fields is not None and route.role is not Role.ADMIN and not route.is_endless
]
WORDS = st.sampled_from(["news", "defaultApp", "PUBLISHING", "WebRTC"]) | st.text(string.printable.replace(",", ""))
WRONG = st.none() | st.floats(0.1, 0.9) | st.just({"a": 1}) | st.lists(st.booleans(), min_size=1)


@frozen(kw_only=True)
class Attempt:
    """One request, and whether the document says that it is valid."""

    method: str
    path: str
    query: dict[str, Any]
    body: dict[str, Any] | None
    is_valid: bool
    may_be_refused: bool
    """The request is to keep to more than the schema says."""


def values_of(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that fit a schema of a field."""
    if not schema:
        return st.dictionaries(WORDS, st.integers() | WORDS, max_size=2)
    if "anyOf" in schema:
        return st.one_of(*map(values_of, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum", 0), schema.get("maximum", 9)) | st.integers(0, 3)
        case "array":
            return st.lists(values_of(schema["items"]), max_size=3)
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True)
        case "string":
            return WORDS.filter(lambda text: len(text) <= schema.get("maxLength", len(text)))
        case other:
            raise AssertionError(f"this test knows no {other}")


def query_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    """Any valid request; or one with a key that does not exist, or with a value of a wrong type."""
    route: ApiRoute = draw(st.sampled_from(ROUTES))
    method = draw(st.sampled_from(route.methods))
    fault = draw(st.sampled_from([None, None, "key", "value"]))
    assert route.fields is not None
    known = list(route.fields.fields.values())
    required = [each for each in known if each.name in route.fields.required]
    least = 1 if known and (route.fields.needs_one is not None or fault == "value") else 0
    chosen = draw(st.lists(st.sampled_from(known), unique=True, min_size=least, max_size=3)) if known else []
    chosen += [each for each in required if each not in chosen]
    if method == "GET":
        schemas = {each.name: each.type.query_schema or each.type.schema for each in chosen}
        values: dict[str, Any] = {name: query_text(draw(values_of(schema))) for name, schema in schemas.items()}
    else:
        values = {each.name: draw(values_of(each.type.schema)) for each in chosen}
    if fault == "key":
        values["no such key"] = "x"
    is_wrong = fault == "value" and method == "POST" and any(each.type.schema for each in chosen[:1])
    if is_wrong:
        values[chosen[0].name] = draw(WRONG)
    is_valid = fault != "key" and not is_wrong
    query, body = (values, None) if method == "GET" else ({}, values)
    rules = route.fields.rules if is_valid else ""
    return Attempt(
        method=method, path=route.path, query=query, body=body, is_valid=is_valid, may_be_refused=bool(rules)
    )


async def check(rest: httpx.AsyncClient, described: Described, attempt: Attempt) -> None:
    answer = await rest.request(attempt.method, attempt.path, params=attempt.query, json=attempt.body)
    described.check(answer)
    is_refused = answer.status_code == httpx.codes.BAD_REQUEST
    expected = attempt.may_be_refused or is_refused is not attempt.is_valid
    assert expected, f"{attempt}: {answer.status_code} {answer.text}"


@asynccontextmanager
async def live_server() -> AsyncIterator[FullServer]:
    """A server with one session and one publication."""
    with tempfile.TemporaryDirectory() as folder:
        async with full_server(Path(folder), rest_max_failed_requests=1000) as server:
            async with wcs_client(server.ws_url()) as client:
                await client.publish("news")
                yield server


@seed(1)
@settings(
    max_examples=2, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(st.lists(attempts(), min_size=40, max_size=40))
async def test_what_is_valid_is_accepted_and_nothing_else(many: list[Attempt]) -> None:
    async with live_server() as server:
        described = Described((await server.rest.get(PATH)).json())
        described.check(await server.rest.get("/rest-api/connection/find_all"))
        described.check(await server.rest.get("/rest-api/stream/find", params={"display": "metrics"}))
        for attempt in many:
            await check(server.rest, described, attempt)
