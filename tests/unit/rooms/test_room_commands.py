"""What a page may ask of a room, and what it is told when it may not."""

import contextlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.rooms.commands import (
    JoinCommand,
    LeaveCommand,
    MessageCommand,
    RoomCommand,
    checked_name,
    is_command,
    read_command,
    room_named,
)
from protocol.rooms.info_texts import RoomInfo, RoomRefused


def read(command: str, options: Any) -> RoomCommand:
    return read_command({"command": command, "options": options}, max_message_size=100)


def refusal(command: str, options: Any) -> str:
    with pytest.raises(RoomRefused) as refused:
        read(command, options)
    return refused.value.info


@pytest.mark.parametrize("payload", [{"command": "join"}, {"command": 5}, {"command": "", "options": {}}])
def test_a_payload_with_a_command_is_for_a_room(payload: Any) -> None:
    assert is_command(payload)


@pytest.mark.parametrize("payload", [None, 5, "join", ["command"], {}, {"command": None}, {"text": "command"}])
def test_any_other_payload_is_the_page_s_own(payload: Any) -> None:
    assert not is_command(payload)


def test_the_commands_of_the_sdk() -> None:
    assert read("join", {"name": "lobby", "record": False}) == JoinCommand(room="lobby")
    assert read("leave", {"name": "lobby"}) == LeaveCommand(room="lobby")
    message = {"roomConfig": {"name": "lobby"}, "to": "ann", "text": "hello"}
    assert read("sendMessage", message) == MessageCommand(room="lobby", to="ann", text="hello")


def test_a_room_s_number_is_its_name() -> None:
    assert read("join", {"name": 101}) == JoinCommand(room="101")


@pytest.mark.parametrize("name", ["a", "Zimmer ü", "部屋", "🚪" * 256, "a b/c#d", "x" * 256])
def test_names_are_any_text(name: str) -> None:
    assert checked_name(name, "room name") == name


@pytest.mark.parametrize(
    ("name", "info"),
    [
        (None, "The login is missing"),
        ("", "The login is missing"),
        (True, "The login must be text"),
        (["ann"], "The login must be text"),
        ("x" * 257, "The login must not be longer than 256 characters"),
        ("a\nb", "The login must not hold control characters"),
        ("a\x00", "The login must not hold control characters"),
        ("\x9f", "The login must not hold control characters"),
    ],
)
def test_what_is_no_name_is_refused_with_the_reason(name: Any, info: str) -> None:
    with pytest.raises(RoomRefused) as refused:
        checked_name(name, "login")
    assert refused.value.info == info


def test_a_command_that_cannot_be_read_says_what_is_wrong() -> None:
    assert refusal("join", None) == "options must be an object"
    assert refusal("join", {}) == "The room name is missing"
    assert refusal("sendMessage", {"to": "ann", "text": "x"}) == "roomConfig must be an object"
    assert refusal("sendMessage", {"roomConfig": {"name": "a"}, "text": "x"}) == "The to is missing"
    assert refusal("sendMessage", {"roomConfig": {"name": "a"}, "to": "ann"}) == "The text is missing"
    assert refusal("dance", {}) == "Unknown room command: join, leave and sendMessage are known"


def test_a_message_has_its_limit() -> None:
    message = {"roomConfig": {"name": "lobby"}, "to": "ann", "text": "x" * 98}
    assert read("sendMessage", message)
    assert refusal("sendMessage", message | {"text": "x" * 99}) == RoomInfo.MESSAGE_IS_TOO_LARGE
    assert read("sendMessage", message | {"text": "я" * 49}), "counted as UTF-8"
    assert refusal("sendMessage", message | {"text": "я" * 50}) == RoomInfo.MESSAGE_IS_TOO_LARGE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "to", "text", "x"]), inner),
    max_leaves=6,
)
PAYLOADS = st.fixed_dictionaries(
    {"command": st.sampled_from(["join", "leave", "sendMessage"]) | JSON.filter(lambda value: value is not None)},
    optional={"options": JSON | st.fixed_dictionaries({}, optional={"name": JSON, "roomConfig": JSON, "to": JSON})},
)


@given(PAYLOADS)
@example({"command": "join", "options": {"name": 0, "roomConfig": {"name": None}}})
def test_whatever_comes_is_a_command_or_refused(payload: dict[str, Any]) -> None:
    with contextlib.suppress(RoomRefused):
        command = read_command(payload, max_message_size=100)
        assert room_named(payload) == command.room
