"""What flake8-async finds is found, whatever is left out to be quick."""

import pytest
from flake8_async import Plugin
from flake8_async.visitors.helpers import cancel_scope_names
from flake8_async.visitors.visitor101 import _CANCEL_SCOPE_CMS

from tests.async_rules import NAMES, faults

BROKEN = {
    "ASYNC100": "async def f():\n    with trio.move_on_after(1):\n        pass",
    "ASYNC100 by another name": "from trio import fail_after as f\nasync def g():\n    with f(1):\n        pass",
    "ASYNC100 of asyncio": "import asyncio\nasync def f():\n    async with asyncio.timeout(1):\n        pass",
    "ASYNC101": "def f():\n    with trio.open_nursery():\n        yield",
    "ASYNC101 in a scope": "def f():\n    with trio.CancelScope():\n        yield",
    "ASYNC101 in a nursery of others": "def f():\n    with trio_websocket.open_websocket():\n        yield",
    "ASYNC102": "async def f():\n    try:\n        pass\n    finally:\n        await g()",
    "ASYNC103": "async def f():\n    try:\n        await g()\n    except BaseException:\n        pass",
    "ASYNC105": "async def f():\n    trio.sleep(1)",
    "ASYNC115": "async def f():\n    await trio.sleep(0)",
    "ASYNC220": "async def f():\n    subprocess.Popen('ls')",
    "ASYNC251": "import time\nasync def f():\n    time.sleep(1)",
    "ASYNC300": "import asyncio\nasync def f():\n    asyncio.create_task(g())",
}


def faults_by_itself(source: str) -> list[str]:
    """What flake8-async finds, at its own pace."""
    return [str(fault) for fault in sorted(Plugin.from_source(source).run())]


@pytest.mark.parametrize("name", BROKEN)
def test_each_fault_is_found_as_flake8_async_finds_it(name: str) -> None:
    rule, _, _ = name.partition(" ")
    source = BROKEN[name]
    found = faults(source)
    assert any(f" {rule} " in fault for fault in found)
    assert found == faults_by_itself(source)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("comment", ["# noqa", "# NOQA: ASYNC100", "# noqa: ASYNC102,ASYNC105"])
def test_comments_allow_what_they_name(name: str, comment: str) -> None:
    source = "\n".join(f"{line}  {comment}" for line in BROKEN[name].splitlines())
    assert faults(source) == faults_by_itself(source)


def test_every_call_that_a_rule_names_is_known() -> None:
    for names, rule in ((cancel_scope_names, "ASYNC100"), (_CANCEL_SCOPE_CMS, "ASYNC101")):
        assert [name for name in names if not NAMES[rule].search(name)] == []
