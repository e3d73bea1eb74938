"""The folders of all nodes of one machine, `node-0`, `node-1` and so on, which lie side by side."""

from collections.abc import Sequence
from pathlib import Path

NODE = "node-"


def folders_beside(own: Path) -> Sequence[Path]:
    """The folders of the other nodes that are what `own` is of this one: `node-I`, or a folder in it."""
    node, inside = (own, "") if own.name.startswith(NODE) else (own.parent, own.name)
    return [path / inside for path in sorted(node.parent.glob(f"{NODE}*")) if path != node]
