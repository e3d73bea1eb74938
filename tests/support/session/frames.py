"""Recorded WebSocket frames of the WebSDK (tests/fixtures/frames)."""

import json
from pathlib import Path
from typing import Any

from protocol.signaling.frame_codec import encode
from protocol.signaling.frames import ServerFrame

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"


def samples(file_name: str) -> list[dict[str, Any]]:
    """The recorded frames of one message: `raw` text and the parsed `frame`."""
    recorded: list[dict[str, Any]] = json.loads((FRAMES / f"{file_name}.json").read_text())["samples"]
    return recorded


def raw_client_frames() -> list[str]:
    """Every recorded text that the unmodified SDK sent."""
    files = sorted(FRAMES.glob("c2s_*.json"))
    return [sample["raw"] for file in files for sample in samples(file.stem)]


def on_wire(frame: ServerFrame) -> dict[str, Any]:
    """`frame` as the JSON object that a client reads."""
    read: dict[str, Any] = json.loads(encode(frame))
    return read
