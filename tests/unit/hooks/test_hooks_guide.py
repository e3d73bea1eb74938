"""`docs/hooks.md` says what is so: its samples, its methods and its settings are those of the server."""

import json
import re
from pathlib import Path
from typing import Any

import attrs

from config.settings import Settings
from protocol.hooks import HookMethod, MethodConfig, RestClientConfig, RestOnError, RestPolicy, stream_body
from protocol.node.descriptions import StreamDescription

GUIDE = (Path(__file__).resolve().parents[3] / "docs/hooks.md").read_text()


def samples() -> list[dict[str, Any]]:
    """Every JSON sample of the guide."""
    blocks = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    return [json.loads(block if block.startswith("{") else f"{{{block}}}") for block in blocks]


def test_the_sample_of_a_stream_has_every_field_that_is_sent() -> None:
    stream, _ = samples()
    description = StreamDescription(
        node_id="n", app_key="a", session_id="s", media_session_id="m", name="news", published=True, has_video=True,
        has_audio=True, status="FAILED", create_date=0, info="why",
    )  # fmt: skip
    assert list(stream) == list(stream_body(description))


def test_the_sample_of_a_config_is_understood() -> None:
    _, answer = samples()
    config, warnings = RestClientConfig.parse(answer["restClientConfig"])
    assert warnings == ()
    assert config.for_method(HookMethod.PUBLISH_STREAM) == MethodConfig(
        rest_on_error=RestOnError.FAIL, rest_policy=RestPolicy.OVERWRITE, rest_overwrite=frozenset({"name"})
    )


def test_every_method_is_in_the_table_under_its_kind() -> None:
    rows = re.findall(r"^\| (`.+?`) \| (connect|direct|event) \|", GUIDE, re.MULTILINE)
    told = {name: kind for names, kind in rows for name in re.findall("`(.+?)`", names)}
    assert told == {method.value: method.kind.value for method in HookMethod}


def test_every_setting_is_one() -> None:
    named = set(re.findall(r"\b(?:rest|disable_rest|keep_alive_streaming|streaming_sessions)_\w+", GUIDE))
    assert len(named) > 10
    assert named <= {field.name for field in attrs.fields(Settings)}


def test_diagrams_hold_nothing_that_ends_a_statement() -> None:
    diagrams = re.findall(r"```mermaid\n(.*?)```", GUIDE, re.DOTALL)
    assert len(diagrams) == 4
    assert ";" not in "".join(diagrams)
