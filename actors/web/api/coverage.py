"""What a client is told about the nodes of a cluster that did, or did not, take part in an answer.

Without a cluster, there is nothing to tell.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.control import NodeControl
from actors.node.ports.refusals import NodesSilent
from actors.web.responses import (
    COUNT_HEADER,
    NODES_HEADER,
    NODES_MISSING_HEADER,
    JsonAnswer,
    UnfinishedAnswer,
    empty_answer,
    error_answer,
)
from config.settings import PartialAnswer, Settings
from protocol.node.client_data import DeliveryReport
from protocol.node.coverage import Coverage
from protocol.rest.errors import error_body, not_found
from protocol.rest.fields import FieldTable
from protocol.rest.paging import Found
from protocol.rest.query import read_query
from protocol.rest.resources.streams import TerminateAnswer, terminate_status
from protocol.rest.scope import SCOPE, SCOPE_QUERY

NODES_SILENT: Final = "in a cluster: nodes that may have more of them do not answer; what is known has been done"
RETRY_AFTER: Final = {"Retry-After": "6"}
"""Seconds: by then, a node that has ended is no longer asked."""


def scoped(streams: NodeControl, request: Request, table: FieldTable = SCOPE_QUERY) -> NodeControl:
    """Those whom the request asks: with `?scope=local` this node only.

    RestError (400) for another value, and, unless the fields are in it, for anything in the query string that is not
    in `table`.
    """
    return streams.here if is_local(request, table) else streams


def is_local(request: Request, table: FieldTable = SCOPE_QUERY) -> bool:
    """Whether this node only is asked. See `scoped`."""
    given = read_query(request.scope["query_string"])
    if request.method == "GET":
        given = {name: value for name, value in given.items() if name in table.fields}
    return table.read(given)[SCOPE] == "local"


def without_scope(parameters: Mapping[str, str], table: FieldTable = SCOPE_QUERY) -> dict[str, str]:
    """The query string's other parameters."""
    return {name: value for name, value in parameters.items() if name not in table.fields}


def coverage_headers(coverage: Coverage | None) -> dict[str, str]:
    """Which nodes have answered."""
    if coverage is None:
        return {}
    missing = {} if coverage.is_complete else {NODES_MISSING_HEADER: coverage.missing}
    return {NODES_HEADER: coverage.shown, **missing}


def ended_answer(
    request: Request, noun: str, answer: TerminateAnswer, banned: Mapping[str, str], settings: Settings
) -> Response:
    """The response to a request that ends what matches."""
    count = {COUNT_HEADER: str(answer.count)} if request.url.path.endswith("/terminate") else {}
    headers = {**count, **coverage_headers(answer.coverage), **banned}
    match terminate_status(answer, allows_partial=settings.cluster_partial is PartialAnswer.OK):
        case HTTPStatus.OK:
            return empty_answer(headers)
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return _partly(request, answer, headers)
        case _:
            return error_answer(not_found(f"no {noun} matches"), request.url.path, headers)


def nothing_found(request: Request, noun: str, found: Found[Any]) -> Response:
    """404, as WCS answers when a filter matches nothing; 503 if a node may have some that does not answer."""
    headers = coverage_headers(found.coverage)
    if found.coverage is None or found.coverage.is_complete:
        return error_answer(not_found(f"no {noun} matches"), request.url.path, headers)
    body = error_body(HTTPStatus.SERVICE_UNAVAILABLE, _reason(found.coverage), request.url.path)
    return JsonAnswer(body, HTTPStatus.SERVICE_UNAVAILABLE, headers={**headers, **RETRY_AFTER})


def unacknowledged(request: Request, delivery: DeliveryReport, headers: Mapping[str, str]) -> Response | None:
    """503, if nodes that data was meant for have not said that it was sent; None: all have."""
    coverage = delivery.coverage
    if coverage is None or coverage.is_complete:
        return None
    body = {
        **error_body(HTTPStatus.SERVICE_UNAVAILABLE, _reason(coverage), request.url.path),
        "sent": delivery.sent,
        "missingSessions": list(delivery.missing),
        "missing": ["*"] if coverage.is_cut_off else list(coverage.silent),
    }
    told = {**headers, **coverage_headers(coverage), **RETRY_AFTER}
    return JsonAnswer(body, HTTPStatus.SERVICE_UNAVAILABLE, headers=told)


async def on_nodes_silent(request: Request, silent: NodesSilent) -> Response:
    """503: what is known has been done, and nodes do not answer that may have more of it."""
    coverage = silent.coverage
    body = {
        **error_body(HTTPStatus.SERVICE_UNAVAILABLE, _reason(coverage), request.url.path),
        "missing": ["*"] if coverage.is_cut_off else list(coverage.silent),
    }
    headers = {**coverage_headers(coverage), **RETRY_AFTER}
    return JsonAnswer(body, HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)


def _partly(request: Request, answer: TerminateAnswer, headers: Mapping[str, str]) -> Response:
    coverage = answer.coverage or Coverage(asked=1)
    nodes = [
        {"nodeId": node.node_id, "matched": node.count, "stopping": 0 if node.all_stopped else node.count}
        for node in answer.nodes
    ]
    body = {
        **error_body(HTTPStatus.SERVICE_UNAVAILABLE, _reason(coverage), request.url.path),
        "nodes": nodes,
        "missing": ["*"] if coverage.is_cut_off else list(coverage.silent),
    }
    return UnfinishedAnswer(body, HTTPStatus.SERVICE_UNAVAILABLE, headers={**headers, **RETRY_AFTER})


def _reason(coverage: Coverage) -> str:
    if coverage.is_cut_off:
        return "Redis does not answer: this is what this node knows alone"
    return f"{len(coverage.silent)} of {coverage.asked} nodes do not answer"
