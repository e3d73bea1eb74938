"""What the parent of several nodes does with a command: which of them it is for, and how their answers become one."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import wait_all_tasks_blocked

from actors.host_nodes.commands import NodeCommands, merged
from actors.operator.server import serve_lines
from protocol.operator.callers import Operator
from protocol.operator.grammar import CommandError


@define(eq=False)
class StubNode:
    """A node that answers what it was asked."""

    index: int
    socket_path: Path
    node_id: str
    is_ready: bool = True
    is_silent: bool = False
    has_drained: bool = False
    hangs: bool = False
    is_odd: bool = False
    may_answer: trio.Event | None = None
    was_asked: trio.Event = field(factory=trio.Event)
    asked: list[dict[str, Any]] = field(factory=list)

    @property
    def status(self) -> str:
        return "drained" if self.has_drained else "serving"

    def want_back(self) -> bool:
        was, self.has_drained = self.has_drained, False
        return was

    async def answer(self, line: bytes, _: Operator) -> Iterable[bytes]:
        self.asked.append(json.loads(line))
        self.was_asked.set()
        if self.hangs:
            await trio.sleep_forever()
        if self.may_answer is not None:
            await self.may_answer.wait()
        if self.is_odd:
            return (b"what?\n",)
        return (b'{"ok": true, "changed": true, "message": "done", "rows": []}\n',)


@asynccontextmanager
async def three_nodes(folder: Path) -> AsyncIterator[tuple[NodeCommands, list[StubNode]]]:
    nodes = [StubNode(index, folder / f"{index}.sock", f"abc{index}") for index in range(3)]
    async with trio.open_nursery() as nursery:
        for node in nodes:
            await nursery.start(serve_lines, node.socket_path, node.answer)
        yield NodeCommands(nodes), nodes
        nursery.cancel_scope.cancel()


async def ask(commands: NodeCommands, request: object) -> dict[str, Any]:
    line = json.dumps(request).encode()
    answer: dict[str, Any] = json.loads(b"".join(await commands.answer(line, Operator(who="uid 7"))))
    return answer


async def test_a_command_goes_to_the_first_that_serves_or_the_one_that_is_named(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as (commands, nodes):
        nodes[0].is_ready = False
        await ask(commands, {"words": ["show", "apps"]})
        await ask(commands, {"node": 2, "line": "show apps"})
        assert [node.asked for node in nodes] == [
            [],
            [{"by": "uid 7", "words": ["show", "apps"]}],
            [{"by": "uid 7", "line": "show apps"}],
        ]
        answer = await ask(commands, {"node": 0, "words": ["show", "apps"]})
        assert (answer["error"], answer["message"]) == ("failed", "node 0 does not serve: serving")
        unusables: list[object] = [{"node": 3, "words": []}, {"node": "x"}, [], {"node": -1}]
        for unusable in unusables:
            with pytest.raises(CommandError):
                await ask(commands, unusable)


async def test_what_means_the_whole_server_goes_to_all_and_is_said_once(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as (commands, nodes):
        answer = await ask(commands, {"line": "reload --check"})
        assert (answer["message"], answer["changed"]) == ("done", True)
        assert [len(node.asked) for node in nodes] == [1, 1, 1]
        nodes[1].is_ready, nodes[1].has_drained = False, True
        answer = await ask(commands, {"words": ["undrain"]})
        assert answer["message"] == "node 0: done\nnode 1: is started again\nnode 2: done"
        assert not nodes[1].has_drained


@pytest.mark.parametrize("named", [["--node", "1"], ["--node=1"], ["--node", "abc1"]])
async def test_a_drain_may_name_a_node_by_its_number_or_its_id(tmp_path: Path, named: list[str]) -> None:
    async with three_nodes(tmp_path) as (commands, nodes):
        await ask(commands, {"words": ["drain", *named, "--timeout", "5m"]})
        assert nodes[1].asked == [{"by": "uid 7", "words": ["drain", "--timeout", "5m"]}]
        assert not nodes[0].asked


async def test_a_node_of_another_machine_is_for_the_cluster_to_find(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as (commands, nodes):
        await ask(commands, {"words": ["undrain", "--node", "elsewhere"]})
        assert nodes[0].asked == [{"by": "uid 7", "words": ["undrain", "--node", "elsewhere"]}]
        assert not nodes[1].asked


async def test_show_nodes_tells_the_numbers(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as (commands, _):
        answer = await ask(commands, {"words": ["show", "nodes"]})
        said = "done"  # by the node: of a real one, what does not work
        assert answer["message"] == f"{said}\n--node 0: serving\n--node 1: serving\n--node 2: serving"


async def test_what_is_shown_comes_from_another_node_if_the_first_one_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.host_nodes.commands.PATIENCE", 0.01)
    async with three_nodes(tmp_path) as (commands, nodes):
        nodes[0].hangs = True
        answer = await ask(commands, {"words": ["show", "apps"]})
        assert (answer["ok"], [len(node.asked) for node in nodes[:2]]) == (True, [1, 1])
        nodes[0].is_silent = True
        await ask(commands, {"words": ["add", "app", "x"]})
        assert [len(node.asked) for node in nodes[:2]] == [1, 2], "who gives no sign of life is not asked"


async def test_a_node_that_is_gone_hinders_nobody_to_show_something(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as (_, nodes):
        gone = StubNode(0, tmp_path / "nobody.sock", "abc")
        assert (await ask(NodeCommands([gone, *nodes[1:]]), {"words": ["show", "apps"]}))["ok"]


async def test_a_slow_node_is_waited_for_if_the_others_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.host_nodes.commands.PATIENCE", 0.01)
    async with three_nodes(tmp_path) as (_, nodes), trio.open_nursery() as nursery:
        nodes[0].may_answer, nodes[1].is_odd = trio.Event(), True
        answers: list[dict[str, Any]] = []

        async def show() -> None:
            answers.append(await ask(NodeCommands(nodes[:2]), {"words": ["show", "apps"]}))

        nursery.start_soon(show)
        await nodes[1].was_asked.wait()
        await wait_all_tasks_blocked(0.05)
        nodes[0].may_answer.set()
    assert answers[0]["ok"]


async def test_a_node_that_is_gone_is_said_not_to_answer(tmp_path: Path) -> None:
    nodes = [StubNode(0, tmp_path / "nobody.sock", "abc")]
    answer = await ask(NodeCommands(nodes), {"words": ["show", "apps"]})
    assert answer["message"] == "node 0 does not answer; the command may have been done"


def test_a_refusal_of_one_is_the_answer_of_all() -> None:
    done = {"ok": True, "changed": True, "message": "done", "rows": []}
    refused = {"ok": False, "error": "refused", "message": "no"}
    assert merged({0: done, 1: refused}) == {
        "ok": False, "error": "refused", "message": "node 0: done\nnode 1: no",
    }  # fmt: skip
