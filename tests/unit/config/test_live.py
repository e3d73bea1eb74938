"""Settings that are replaced while parts hold them, and what a reload would change."""

import pytest
from attrs import evolve

from config.changes import changes_between
from config.live import Live, follow
from config.loading import load_settings
from config.render import effective_file
from config.settings import TABLE, Settings


def test_a_part_reads_what_is_in_force() -> None:
    live = Live(Settings(ws_port=1))
    settings = live.settings
    assert settings.ws_port == 1
    live.replace(Settings(ws_port=2))
    assert settings.ws_port == 2
    with pytest.raises(AttributeError):
        settings.no_such_setting  # type: ignore[attr-defined]  # noqa: B018


def test_a_follower_is_told_at_once_and_of_each_change() -> None:
    live, told = Live(Settings(ws_port=1)), list[int]()
    follow(live.settings, lambda now: told.append(now.ws_port))
    live.replace(Settings(ws_port=2))
    follow(Settings(ws_port=3), lambda now: told.append(now.ws_port))
    assert told == [1, 2, 3]


def test_what_one_follower_cannot_adopt_nobody_keeps() -> None:
    live, adopted = Live(Settings(ws_port=1)), list[int]()

    def adopt(now: Settings) -> None:
        if now.ws_port == 2:
            raise ValueError("not that one")

    follow(live.settings, lambda now: adopted.append(now.ws_port))
    follow(live.settings, adopt)
    with pytest.raises(ValueError, match="not that one"):
        live.replace(Settings(ws_port=2))
    assert (live.now.ws_port, adopted) == (1, [1, 2, 1])


def test_changes_are_told_apart_and_secrets_are_masked() -> None:
    before = load_settings("ws.port=1\nmax_sessions=5\nrest_hook_secret_key=one\n", file_name="f")
    after = load_settings("ws.port=2\nmax_sessions=6\nrest_hook_secret_key=two\n", file_name="f")
    changes = changes_between(before, before.settings, after)
    assert [(change.key, change.before, change.after) for change in changes.taken] == [
        ("max_sessions", "5", "6"),
        ("rest_hook_secret_key", "********", "********"),
    ]
    assert [change.key for change in changes.waiting] == ["ws.port"]
    assert changes.settings == evolve(after.settings, ws_port=1)


def test_another_way_to_write_the_same_is_no_change() -> None:
    before, after = load_settings("codecs=opus, vp8"), load_settings("codecs = OPUS,VP8")
    changes = changes_between(before, before.settings, after)
    assert (changes.taken, changes.waiting) == ((), ())


def test_the_printed_settings_say_how_each_changes() -> None:
    printed = effective_file(load_settings(None).given)
    assert printed.count("# changes: by a reload") == sum(known.live for known in TABLE.values())
    assert printed.count("# changes: at a restart") == sum(not known.live for known in TABLE.values())
