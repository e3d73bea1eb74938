"""The operator's commands about the server as a whole, as frozen objects."""

import math
from collections.abc import Callable

from attrs import frozen

from protocol.common.durations import read_duration
from protocol.operator.grammar import CommandError, Words

MOST_DRAIN = 30 * 86_400.0
"""Seconds."""


@frozen(kw_only=True)
class DrainServer:
    """`drain [--timeout 30m] [--node ID]`; `timeout` in seconds, math.inf for none. `node`: None for this one."""

    timeout: float
    node: str | None = None


@frozen(kw_only=True)
class UndrainServer:
    """`undrain [--node ID]`"""

    node: str | None = None


@frozen(kw_only=True)
class ReloadSettings:
    """`reload [--check]`"""

    check_only: bool


ServerCommand = DrainServer | UndrainServer | ReloadSettings


def _build_drain(words: Words) -> DrainServer:
    written = words.options.get("timeout")
    if written is None:
        return DrainServer(timeout=math.inf, node=words.options.get("node"))
    try:
        return DrainServer(timeout=read_duration(written, most=MOST_DRAIN), node=words.options.get("node"))
    except ValueError:
        raise CommandError("--timeout must be a time such as 90s, 30m or 2h, of 30 days at most") from None


BUILDERS: dict[str, Callable[[Words], ServerCommand]] = {
    "drain": _build_drain,
    "undrain": lambda words: UndrainServer(node=words.options.get("node")),
    "reload": lambda words: ReloadSettings(check_only="check" in words.options),
}
