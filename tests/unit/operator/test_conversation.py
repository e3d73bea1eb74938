"""What a command's conversation asks of the server and of the person, in turn."""

from typing import Any

import pytest

from actors.operator.wcs.conversation import Question, converse

DONE = {"ok": True, "message": "done", "rows": []}
PASSWORD = {"ok": False, "error": "password", "message": "password of 'bob'"}
UNCONFIRMED = {"ok": False, "error": "unconfirmed", "message": "stop 2 streams?"}


def talk(words: list[str], *replies: Any) -> tuple[list[object], dict[str, Any] | None]:
    """All steps but the first request, with these replies; and the answer at the end."""
    conversation, steps = converse({"words": words}), list[object]()
    assert next(conversation) == {"words": words}
    for reply in replies:
        try:
            steps.append(conversation.send(reply))
        except StopIteration as ended:
            return steps, ended.value
    return steps, None


def test_a_command_that_is_done() -> None:
    assert talk(["show", "apps"], DONE) == ([], DONE)


def test_a_password_is_asked_for_and_added() -> None:
    question = Question("password of 'bob'", is_secret=True)
    assert talk(["passwd", "bob"], PASSWORD, "-x", DONE) == (
        [question, {"words": ["passwd", "bob", "--", "-x"]}],
        DONE,
    )
    steps, answer = talk(["passwd", "bob"], PASSWORD, None)
    assert answer is not None
    assert (steps, answer["message"]) == ([question], "the passwords differ")


@pytest.mark.parametrize(
    ("words", "confirmed"),
    [
        (["terminate", "name=news"], ["terminate", "name=news", "--yes"]),
        (["drop", "spool", "shop"], ["drop", "spool", "shop", "--yes"]),
        (["terminate", "--", "name=-"], ["terminate", "--yes", "--", "name=-"]),
    ],
)
def test_a_question_goes_first(words: list[str], confirmed: list[str]) -> None:
    question = Question("stop 2 streams? [y/N] ")
    assert talk(words, UNCONFIRMED, "y\n", DONE) == ([question, {"words": confirmed}], DONE)
    for reply in ("\n", "no\n", ""):
        steps, answer = talk(words, UNCONFIRMED, reply)
        assert answer is not None
        assert (steps, answer["error"], answer["message"]) == ([question], "refused", "nothing is done")


def test_where_nobody_can_be_asked_the_answer_says_how_to_go_on() -> None:
    _, answer = talk(["terminate", "--all"], UNCONFIRMED, None)
    assert answer == {**UNCONFIRMED, "message": "stop 2 streams? If so, say --yes"}
