"""What completion proposes at the prompt, and which lines hold secrets."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.operator.proposals import NameKind, propose
from protocol.operator.syntax import VERBS, holds_secret, is_command


@pytest.mark.parametrize(
    ("line", "some_words"),
    [
        ("", ["show", "terminate", "help"]),
        ("sho", ["show"]),
        ("show ", ["apps", "streams", "nodes"]),
        ("help show ", ["apps", "events"]),
        ("show streams ", ["--sort", "name=", "appKey="]),
        ("show streams --sort ", ["kbps", "-viewers"]),
        ("add user x --role ", ["view", "admin"]),
    ],
)
def test_words(line: str, some_words: list[str]) -> None:
    assert set(some_words) <= set(propose(line).words)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("update app ", NameKind.APP_NAME),
        ("add app ", None),
        ("remove user al", NameKind.USER),
        ("remove token ", NameKind.TOKEN),
        ("passwd ", NameKind.USER),
        ("passwd alice ", None),
        ("add app-rest-method shop ", NameKind.METHOD),
        ("add app-rest-method shop connect ", NameKind.METHOD),
        ("tail ", NameKind.EVENT_TYPE),
        ("terminate name=", NameKind.STREAM),
        ("show rooms name=", NameKind.ROOM),
        ("show bans name=", None),
        ("terminate mediaSessionId=x", NameKind.MEDIA_SESSION),
        ("add user bob --app ", NameKind.APP_KEY),
        ("update user --role view ", NameKind.USER),
        ("update user -a", NameKind.USER),
        ("nonsense ", None),
        ("terminate 'name=", None),
    ],
)
def test_names(line: str, kind: NameKind | None) -> None:
    assert propose(line).names is kind


def test_the_word_that_is_being_written_is_replaced() -> None:
    proposals = propose("terminate appKey=shop name=ne")
    assert (proposals.current, proposals.before) == ("name=ne", "name=")


@example("0\n")
@given(st.text() | st.sampled_from(sorted(VERBS)).map(lambda name: f"{name} "))
def test_any_line_has_an_answer(line: str) -> None:
    assert line.endswith(propose(line).current)


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("passwd bob hunter2", True),
        ("passwd bob", False),
        ("add user bob --role view hunter2", True),
        ("add user bob --role view", False),
        ("add user bob -- -hunter2", True),
        ("add app a a http://h/ -u me -p hunter2", True),
        ("update app a --p-rest=hunter2", True),
        ("update app a http://me:hunter2@h/", True),
        ("update app a -l http://h/", False),
    ],
)
def test_lines_with_secrets(line: str, secret: bool) -> None:
    assert is_command(line)
    assert holds_secret(line) is secret
