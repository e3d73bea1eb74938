"""The OpenAPI document: made of declarations, and true about the objects that are answered."""

from typing import Any

import attrs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from protocol.access.roles import Role
from protocol.node.descriptions import StreamTraffic
from protocol.rest.errors import bad_request, rest_error_body
from protocol.rest.fields import COUNT, FLAG, TEXT, TEXTS, Field, FieldTable
from protocol.rest.openapi import openapi_document
from protocol.rest.operations import ANYONE, Answer, Operation
from protocol.rest.resources.connections import connection_object
from protocol.rest.resources.streams import shown_stream
from protocol.rest.schemas import CONNECTION, METRICS, PROBLEM, STREAM, array_of, object_of
from tests.support.web.stream_world import connection, stream

HEADERS = {"X-Total-Count": {"type": "integer"}}
ITEM = object_of("Item", name={"type": "string"})
FIND = Operation(
    path="/rest-api/thing/find",
    methods=("GET", "POST"),
    role=Role.VIEW,
    summary="find things",
    fields=FieldTable(Field("name", TEXT, "its name"), Field("ids", TEXTS, "ids"), Field("limit", COUNT, "how many")),
    query=FieldTable(Field("dry", FLAG, "try it"), noun="query parameter"),
    needs_body=False,
    answers=(Answer(description="them", schema=array_of(ITEM), headers=("X-Total-Count",)),),
    errors={404: "there is none"},
)


def document_of(*operations: Operation) -> dict[str, Any]:
    document = openapi_document(operations, version="1.2.3", headers=HEADERS)
    OpenAPIV31SpecValidator(document).validate()
    return document


def test_a_get_takes_its_fields_in_the_query_and_a_post_in_its_body() -> None:
    document = document_of(FIND)
    get, post = (document["paths"]["/rest-api/thing/find"][method] for method in ("get", "post"))
    assert [each["name"] for each in get["parameters"]] == ["name", "ids", "limit", "dry"]
    assert [each["name"] for each in post["parameters"]] == ["dry"]
    assert "requestBody" not in get
    assert post["requestBody"]["required"] is False
    assert post["requestBody"]["content"]["application/json"]["schema"]["properties"].keys() == {"name", "ids", "limit"}
    assert get["parameters"][1] | {"style": "form", "explode": False} == get["parameters"][1]


def test_a_response_has_its_schema_its_headers_and_its_errors() -> None:
    document = document_of(FIND)
    responses = document["paths"]["/rest-api/thing/find"]["get"]["responses"]
    assert responses["200"]["content"]["application/json"]["schema"]["items"] == {"$ref": "#/components/schemas/Item"}
    assert responses["200"]["headers"].keys() == {"X-Total-Count"}
    assert responses["404"]["description"] == "there is none"
    assert responses.keys() == {"200", "404", "default"}
    assert document["components"]["schemas"].keys() == {"Item", "Problem"}


def test_roles_groups_and_names() -> None:
    document = document_of(FIND, Operation(path="/healthz", role=ANYONE, summary="is it alive"))
    find, health = document["paths"]["/rest-api/thing/find"]["post"], document["paths"]["/healthz"]["get"]
    assert (find["operationId"], find["tags"], find["description"]) == (
        "thing_find_post",
        ["thing"],
        "Needs the role `view`.",
    )
    assert (health["operationId"], health["tags"], health["description"]) == ("healthz", ["server"], "Open to anyone.")


def test_a_login_is_described_with_its_role_and_rules_in_words() -> None:
    ruled = attrs.evolve(FIND, fields=FieldTable(Field("a", TEXT, "a"), rules="`a` needs `b`."))
    document = document_of(ruled, Operation(path="/healthz", role=ANYONE, summary="is it alive"))
    find, health = document["paths"]["/rest-api/thing/find"]["get"], document["paths"]["/healthz"]["get"]
    assert find["security"] == [{"basic": ["view"]}, {"bearer": ["view"]}, {}]
    assert health["security"] == []
    assert document["components"]["securitySchemes"].keys() == {"basic", "bearer"}
    assert find["description"] == "`a` needs `b`.\n\nNeeds the role `view`."


def test_parameters_of_a_path() -> None:
    document = document_of(Operation(path="/rest-api/thing/{name:str}", role=Role.VIEW, summary="get one"))
    (parameter,) = document["paths"]["/rest-api/thing/{name}"]["get"]["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("name", "path", True)


def test_a_body_that_no_table_describes_and_what_is_not_described() -> None:
    post = Operation(path="/echo", methods=("POST",), role=ANYONE, summary="echo", body={"type": "object"})
    document = document_of(post, attrs.evolve(FIND, is_described=False))
    assert document["paths"].keys() == {"/echo"}
    body = document["paths"]["/echo"]["post"]["requestBody"]
    assert body == {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}


def test_a_request_that_needs_a_condition_says_so() -> None:
    table = FieldTable(Field("name", TEXT, "its name"), needs_one="say which")
    assert table.describe()["minProperties"] == 1


def test_two_schemas_of_one_title_are_a_mistake() -> None:
    other = attrs.evolve(FIND, path="/x", answers=(Answer(description="", schema=object_of("Item")),))
    with pytest.raises(ValueError, match="two schemas are called Item"):
        document_of(FIND, other)


# -- the objects that are answered -----------------------------------------------------------------------------------


def test_a_stream_is_as_described() -> None:
    for has_video in (True, False):
        traffic = StreamTraffic()
        shown = shown_stream(
            stream("m", has_video=has_video, traffic=traffic, video_codec="VP8", audio_codec="opus"), metrics=True
        )
        assert STREAM["properties"].keys() == shown.keys() | {"cascade"}
        assert shown["metrics"].keys() <= METRICS["properties"].keys()
    assert set(STREAM["required"]) == shown_stream(stream("m")).keys()


def test_a_connection_is_as_described() -> None:
    shown = connection_object(connection("s"))
    assert CONNECTION["properties"].keys() == set(CONNECTION["required"]) == shown.keys()


def test_a_problem_is_as_described() -> None:
    shown = rest_error_body(bad_request("why", key="k", setting="s"), "/p")
    assert PROBLEM["properties"].keys() == shown.keys()
    assert set(PROBLEM["required"]) == shown.keys() - {"key", "setting"}
