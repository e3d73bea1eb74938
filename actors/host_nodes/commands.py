"""The operator's commands, as the parent takes them: it passes each on to one node, or to all where that is meant.

{"node": 2, "words": [...]} ─► the `wcs.sock` of node 2          drain, undrain, reload without a node ─► all nodes
"""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import trio

from actors.runtime.timeouts import fail_after
from protocol.operator.callers import Operator
from protocol.operator.grammar import CommandError, split
from protocol.operator.messages import Done, ErrorKind, NotDone, answer_pieces

FOR_ALL: Final = ("drain", "undrain", "reload")
"""Commands that mean the whole server, unless a node is named."""
ANSWER_TIMEOUT: Final = 30.0
"""Seconds that a node may take to answer."""
PATIENCE: Final = 3.0
"""Seconds that a node may take to show something, before another one is asked too."""
MAX_ANSWER: Final = 64 << 20
"""Bytes of an answer."""
PIECE: Final = 256 << 10
"""Bytes of it that are passed on in one go."""

Answered = Mapping[str, Any]


class AskedNode(Protocol):
    """The place of a node, as commands look at it."""

    @property
    def index(self) -> int: ...
    @property
    def is_ready(self) -> bool: ...
    @property
    def is_silent(self) -> bool:
        """Whether it has given no sign of life for a while."""

    @property
    def status(self) -> str: ...
    @property
    def socket_path(self) -> Path: ...

    @property
    def node_id(self) -> str:
        """Empty until it has one."""

    def want_back(self) -> bool:
        """Start a node that has drained; false if it has not."""


class NodeCommands:
    """See above."""

    def __init__(self, places: Sequence[AskedNode]) -> None:
        self._places = places

    async def answer(self, line: bytes, operator: Operator) -> Iterable[bytes]:
        """The pieces of the answer to a request's line. CommandError for what is no request."""
        request = _decoded(line)
        node = request.pop("node", None)
        words = _words(request)
        if node is None and words[:1] and words[0] in FOR_ALL:
            node, words, request = self._named(words, request)
        passed_on = {"by": operator.who, **request}
        if node is None and words[:1] and words[0] in FOR_ALL and not _option(words):
            answer = await self._ask_all(passed_on, words)
        elif node is None and words[:1] == ["show"]:
            answer = await _ask_any(self._in_order(), passed_on)
        else:
            answer = await self._ask_one(self._place(node), passed_on, words)
        if words[:2] == ["show", "nodes"] and answer.get("ok"):
            answer = {**answer, "message": "\n".join(filter(None, (answer.get("message"), self._told())))}
        text = json.dumps(answer).encode() + b"\n"
        return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]

    # -- inside ------------------------------------------------------------------------------------

    def _named(self, words: list[str], request: dict[str, Any]) -> tuple[int | None, list[str], dict[str, Any]]:
        """The node that the command itself names, if it is one of these: by its number, or by how its id begins."""
        wanted = _option(words)
        if not wanted:
            return None, words, request
        found = [place.index for place in self._places if wanted == str(place.index)]
        found = found or [place.index for place in self._places if place.node_id.startswith(wanted)]
        if len(found) != 1:
            return None, words, request
        words = _without_option(words)
        return found[0], words, {**{key: value for key, value in request.items() if key != "line"}, "words": words}

    async def _ask_one(self, place: AskedNode, request: Answered, words: Sequence[str]) -> Answered:
        if words[:1] == ["undrain"] and place.want_back():
            return _done(f"node {place.index} is started again", changed=True)
        return await _ask(place, request)

    def _in_order(self) -> Sequence[AskedNode]:
        """Whom to ask if no node is named: those that serve, the silent ones last."""
        return sorted(self._places, key=lambda place: (not place.is_ready, place.is_silent, place.index))

    def _place(self, node: object) -> AskedNode:
        """The one that is named, or the first that serves."""
        if node is None:
            return self._in_order()[0]
        if not isinstance(node, int) or not 0 <= node < len(self._places):
            raise CommandError(f"there is no node {node}: they are numbered from 0 to {len(self._places) - 1}")
        return self._places[node]

    async def _ask_all(self, request: Answered, words: Sequence[str]) -> Answered:
        """Each node for itself; one that does not run is no obstacle."""
        answers: dict[int, Answered] = {}

        async def ask(place: AskedNode) -> None:
            if words[0] == "undrain" and place.want_back():
                answers[place.index] = _done("is started again", changed=True)
            elif place.is_ready:
                answers[place.index] = await _ask(place, request)
            else:
                answers[place.index] = _done(place.status)

        async with trio.open_nursery() as nursery:
            for place in self._places:
                nursery.start_soon(ask, place)
        return merged(answers)

    def _told(self) -> str:
        """Which of the nodes are on this machine, by the numbers that `--node` takes."""
        return "\n".join(f"--node {place.index}: {place.status}" for place in self._places)


def merged(answers: Mapping[int, Answered]) -> Answered:
    """One answer out of those of nodes: what all say is said once; a node that refuses is named."""
    by_node = [answers[index] for index in sorted(answers)]
    texts = {str(answer.get("message")) for answer in by_node}
    lines = (f"node {index}: {answers[index].get('message')}" for index in sorted(answers))
    message = texts.pop() if len(texts) == 1 else "\n".join(lines)
    failed = next((answer for answer in by_node if not answer.get("ok")), None)
    if failed is not None:
        return {"ok": False, "error": failed.get("error"), "message": message}
    return _done(message, changed=any(answer.get("changed") for answer in by_node))


async def _ask_any(places: Sequence[AskedNode], request: Answered) -> Answered:
    """The first answer. A further node is asked while those that were asked take long: it is no harm to ask twice."""
    answers: list[Answered] = []
    serving = [place for place in places if place.is_ready]
    async with trio.open_nursery() as nursery:

        async def ask(place: AskedNode, has_failed: trio.Event) -> None:
            answer = await _answer_of(place, request)
            if answer is not None:
                answers.append(answer)
                nursery.cancel_scope.cancel()
            has_failed.set()

        for place in serving:
            has_failed = trio.Event()
            nursery.start_soon(ask, place, has_failed)
            with trio.move_on_after(PATIENCE):
                await has_failed.wait()
    return answers[0] if answers else _no_answer((serving or places)[-1])


async def _ask(place: AskedNode, request: Answered) -> Answered:
    """The answer of a node, or why there is none."""
    answer = await _answer_of(place, request) if place.is_ready else None
    return _no_answer(place) if answer is None else answer


def _no_answer(place: AskedNode) -> Answered:
    """Why there is none."""
    if not place.is_ready:
        return _not_done(ErrorKind.FAILED, f"node {place.index} does not serve: {place.status}")
    return _not_done(ErrorKind.FAILED, f"node {place.index} does not answer; the command may have been done")


async def _answer_of(place: AskedNode, request: Answered) -> Answered | None:
    """None: it has not answered."""
    try:
        with fail_after(ANSWER_TIMEOUT):
            answer = json.loads(await _exchange(place, json.dumps(request).encode() + b"\n"))
    except (OSError, trio.BrokenResourceError, trio.TooSlowError, ValueError):
        answer = None
    return answer if isinstance(answer, dict) else None


async def _exchange(place: AskedNode, line: bytes) -> bytes:
    """The line that the node answers; a part of it, if it ends before."""
    answer = bytearray()
    async with await trio.open_unix_socket(place.socket_path) as stream:
        with contextlib.suppress(trio.BrokenResourceError):  # one that wants no requests has said why
            await stream.send_all(line)
        while not answer.endswith(b"\n") and len(answer) <= MAX_ANSWER:
            chunk = await stream.receive_some()
            if not chunk:
                break
            answer += chunk
    return bytes(answer)


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise CommandError("the request is not a line of JSON")
    return request


def _words(request: Answered) -> list[str]:
    """The command, if the request is one."""
    match request:
        case {"words": [*words]}:
            return [word for word in words if isinstance(word, str)]
        case {"line": str(line)}:
            return list(split(line))
        case _:
            return []


def _option(words: Sequence[str]) -> str:
    """The value of `--node` in a command; empty if it is not there."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--node":
            return following
        if word.startswith("--node="):
            return word.removeprefix("--node=")
    return ""


def _without_option(words: Sequence[str]) -> list[str]:
    place = next(index for index, word in enumerate(words) if word == "--node" or word.startswith("--node="))
    return [*words[:place], *words[place + (2 if words[place] == "--node" else 1) :]]


def _done(message: str, *, changed: bool = False) -> Answered:
    answer: Answered = json.loads(b"".join(answer_pieces(Done(message=message, changed=changed))))
    return answer


def _not_done(error: ErrorKind, message: str) -> Answered:
    answer: Answered = json.loads(b"".join(answer_pieces(NotDone(error=error, message=message))))
    return answer
