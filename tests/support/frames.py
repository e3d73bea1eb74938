"""Recorded WebSocket frames of the WebSDK (tests/fixtures/frames)."""

import json
from pathlib import Path
from typing import Any

FRAMES = Path(__file__).parent.parent / "fixtures" / "frames"


def samples(file_name: str) -> list[dict[str, Any]]:
    """The recorded frames of one message: `raw` text and the parsed `frame`."""
    recorded: list[dict[str, Any]] = json.loads((FRAMES / f"{file_name}.json").read_text())["samples"]
    return recorded


def raw_client_frames() -> list[str]:
    """Every recorded text that the unmodified SDK sent."""
    files = sorted(FRAMES.glob("c2s_*.json"))
    return [sample["raw"] for file in files for sample in samples(file.stem)]
