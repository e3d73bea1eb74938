"""The operator's command language: how each command may be written, and how mistakes are answered."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.operator.commands import (
    AddApp,
    AddAppRestMethods,
    AppFields,
    Command,
    Help,
    RemoveApp,
    RemoveAppRestMethods,
    RemoveSecret,
    RotateSecret,
    ShowAppRestMethods,
    ShowApps,
    ShowRestMethods,
    UpdateApp,
    parse,
)
from protocol.operator.grammar import CommandError, split
from protocol.operator.messages import Done, ErrorKind, NotDone, answer_pieces, decode_request
from protocol.operator.syntax import VERBS, help_text

URL = "http://my-web-server.com/MyAPI"


def update(name: str = "defaultApp", **fields: Any) -> UpdateApp:
    return UpdateApp(name=name, fields=AppFields(**fields))


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("show apps", ShowApps()),
        ("show apps -d", ShowApps(detail=True)),
        ("  show   apps\t--detail\r\n", ShowApps(detail=True)),
        ("add app shop shopKey http://a/b", AddApp(name="shop", key="shopKey", url="http://a/b")),
        (
            "add app -m M -c C -u user -p 'pass word' -o owner shop shopKey \"http://a/b\"",
            AddApp(
                name="shop",
                key="shopKey",
                url="http://a/b",
                fields=AppFields(
                    main_class="M", callback_class="C", rest_username="user", rest_password="pass word", owner="owner"
                ),
            ),
        ),
        (
            "add app shop k http://a --m-class M --c-class=C --u-rest u --p-rest= --owner o",
            AddApp(
                name="shop",
                key="k",
                url="http://a",
                fields=AppFields(main_class="M", callback_class="C", rest_username="u", rest_password="", owner="o"),
            ),
        ),
        ("add app -- -shop k http://a", AddApp(name="-shop", key="k", url="http://a")),
        (f"update app defaultApp {URL}", update(url=URL)),
        (f"update app -l {URL} defaultApp", update(url=URL)),
        (f'update app defaultApp -l "{URL}"', update(url=URL)),
        ("update app -k other defaultApp", update(key="other")),
        ("update app --key other -u '' defaultApp", update(key="other", rest_username="")),
        ("update app -p -p defaultApp", update(rest_password="-p")),
        ("add app --rooms shop k http://a", AddApp(name="shop", key="k", url="http://a", fields=AppFields(rooms=True))),
        ("update app defaultApp --rooms", UpdateApp(name="defaultApp", fields=AppFields(rooms=True))),
        ("update app --no-rooms defaultApp", UpdateApp(name="defaultApp", fields=AppFields(rooms=False))),
        ("remove app shop", RemoveApp(name="shop")),
        ("rotate secret shop", RotateSecret(app="shop", overlap=86_400)),
        ("rotate secret --overlap 7d shop", RotateSecret(app="shop", overlap=7 * 86_400)),
        ("rotate secret shop --overlap=0h", RotateSecret(app="shop", overlap=0)),
        ("remove secret shop", RemoveSecret(app="shop")),
        ("show rest-methods", ShowRestMethods()),
        ("show app-rest-methods defaultApp", ShowAppRestMethods(app="defaultApp")),
        (
            "add app-rest-method defaultApp StreamKeepAliveEvent",
            AddAppRestMethods(app="defaultApp", methods=("StreamKeepAliveEvent",)),
        ),
        (
            "add app-rest-method defaultApp connect playStream",
            AddAppRestMethods(app="defaultApp", methods=("connect", "playStream")),
        ),
        ("add app-rest-method -a defaultApp", AddAppRestMethods(app="defaultApp", methods=())),
        ("add app-rest-method defaultApp --all", AddAppRestMethods(app="defaultApp", methods=())),
        ("remove app-rest-method defaultApp connect", RemoveAppRestMethods(app="defaultApp", methods=("connect",))),
        ("remove app-rest-method --all defaultApp", RemoveAppRestMethods(app="defaultApp", methods=())),
        ("help", Help()),
    ],
)
def test_commands(line: str, command: Command) -> None:
    assert parse(split(line)) == command


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", "no command (try 'help')"),
        ("show", "show what? One of apps, rest-methods, "),
        ("show app", "unknown command 'show app' (did you mean 'show apps'?)"),
        ("SHOW APPS", "unknown command 'SHOW APPS' (did you mean 'show apps'?)"),
        ("frobnicate", "unknown command 'frobnicate' (try help)"),
        ("show apps 'x", "cannot read the line: no closing quotation"),
        ("show apps \\", "cannot read the line: no escaped character"),
        ("show apps all", "show apps: takes no operands\nusage: show apps [-d|--detail]"),
        ("show apps -d --detail", "show apps: --detail is given twice\n"),
        ("show apps --detail=yes", "show apps: --detail takes no value\n"),
        ("show apps --detials", "show apps: unknown option '--detials' (did you mean '--detail'?)\n"),
        ("add app shop shopKey", "add app: takes 3 operands\nusage: add app [-m|--m-class CLASS]"),
        ("add app a b c d", "add app: takes 3 operands\n"),
        ("add app a b c -u", "add app: -u needs USER\n"),
        ("update app", "update app: takes 1 operand, and perhaps URL\n"),
        ("update app a b c", "update app: takes 1 operand, and perhaps URL\n"),
        ("update app a", "update app: nothing to change; give a URL or an option\n"),
        ("rotate secret", "rotate secret: takes 1 operand\n"),
        ("rotate secret a --overlap 24", "rotate secret: --overlap must be a time such as 0h, 24h or 7d"),
        ("rotate secret a --overlap 366d", "rotate secret: --overlap must be a time such as 0h, 24h or 7d"),
        ("update app a http://b -l http://c", "update app: the URL is given twice\n"),
        ("update app --rooms --no-rooms a", "update app: give either --rooms or --no-rooms\n"),
        ("update app a ''", "update app: the key and the URL cannot be empty\n"),
        ("update app -k '' a", "update app: the key and the URL cannot be empty\n"),
        ("remove app", "remove app: takes 1 operand\nusage: remove app NAME"),
        ("add app-rest-method", "add app-rest-method: takes 1 operand, and perhaps METHOD...\n"),
        ("add app-rest-method a", "add app-rest-method: give either methods or --all\n"),
        ("add app-rest-method -a a connect", "add app-rest-method: give either methods or --all\n"),
    ],
)
def test_mistakes(line: str, error: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(split(line))
    assert caught.value.message.startswith(error)


@pytest.mark.parametrize("line", ["", "   ", "# show apps", "  # show 'apps", "\n"])
def test_lines_without_words(line: str) -> None:
    assert split(line) == ()


def test_a_password_is_not_in_repr() -> None:
    assert "s3cret" not in repr(parse(split("add app -u u -p s3cret a b http://c")))
    assert "s3cret" not in repr(parse(split("update app -p s3cret a")))


def test_an_empty_value_takes_away_and_an_absent_one_says_nothing() -> None:
    assert AppFields(rest_username="", owner="me").given_fields() == {"rest_username": None, "owner": "me"}


def test_help_names_every_command() -> None:
    lines = help_text().splitlines()
    assert "update app [-k|--key KEY] [-l|--url URL] [-m|--m-class CLASS]" in help_text()
    assert "add app-rest-method [-a|--all] APP_KEY [METHOD...]" in lines
    assert [line for line in lines if not line.startswith("    ")] == [verb.usage for verb in VERBS.values()]
    assert "    FIELD: sessionId, appKey, clientVersion, roomName" in lines


@given(st.lists(st.sampled_from(["show", "add", "update", "app", "apps", "-a", "-k", "--", "x", ""]) | st.text()))
def test_any_words_are_a_command_or_one_error(words: list[str]) -> None:
    with contextlib.suppress(CommandError):
        assert isinstance(parse(words), Command)


def test_an_error_does_not_repeat_what_is_endless() -> None:
    with pytest.raises(CommandError) as caught:
        parse(["show", "x" * 60000])
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("request_line", "words"),
    [
        (b'{"words": ["show", "apps"]}', ("show", "apps")),
        (b'{"words": ["add", "app", "a b"]}', ("add", "app", "a b")),
        (b'{"line": "add app \'a b\'"}', ("add", "app", "a b")),
        (b'{"line": "# nothing"}', ()),
        (b'{"words": []}', ()),
    ],
)
def test_requests(request_line: bytes, words: tuple[str, ...]) -> None:
    assert decode_request(request_line).words == words


@pytest.mark.parametrize(
    "request_line",
    [
        b"",
        b"show apps",
        b"\xff\xfe",
        b"{}",
        b"[]",
        b"5",
        b'{"line": 5}',
        b'{"words": "show apps"}',
        b'{"words": ["show", 5]}',
        b'{"words": [], "line": ""}',
        b'{"words": [], "more": 1}',
        b"[" * 60000,
        b"9" * 60000,
    ],
)
def test_unusable_requests(request_line: bytes) -> None:
    with pytest.raises(CommandError, match="the request"):
        decode_request(request_line)


@given(st.binary())
def test_any_bytes_are_a_request_or_one_error(data: bytes) -> None:
    try:
        words = decode_request(data).words
    except CommandError:
        return
    assert all(isinstance(word, str) for word in words)


def test_answers_are_one_line_each() -> None:
    answer = Done(message="a\nb\u2028", changed=True, rows=[{"name": "a", "methods": ("b",), "owner": None}])
    done = b"".join(answer_pieces(answer))
    assert done.count(b"\n") == 1
    assert json.loads(done) == {
        "ok": True,
        "changed": True,
        "message": "a\nb\u2028",
        "rows": [{"name": "a", "methods": ["b"], "owner": None}],
    }
    not_done = b"".join(answer_pieces(NotDone(error=ErrorKind.REFUSED, message="no")))
    assert json.loads(not_done) == {"ok": False, "error": "refused", "message": "no"}
