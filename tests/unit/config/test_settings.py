"""The table of settings, and the file that is shipped with it."""

import math
from pathlib import Path

import attrs
import pytest

import config
from config.loading import load_settings
from config.properties import Entry, parse
from config.render import effective_file, escaped, shipped_file
from config.settings import TABLE, Setting, Settings
from config.unsupported_wcs_settings import WITHOUT_EFFECT

SHIPPED = Path(config.__file__).with_name("flashphoner.properties")


def test_every_attribute_is_its_key_with_underscores() -> None:
    assert [field.name for field in attrs.fields(Settings)] == [known.attribute for known in TABLE.values()]


def test_no_two_keys_share_an_attribute() -> None:
    assert len({known.attribute for known in TABLE.values()}) == len(TABLE)


def test_a_key_is_either_in_the_table_or_without_effect() -> None:
    assert not TABLE.keys() & WITHOUT_EFFECT.keys()


@pytest.mark.parametrize("known", TABLE.values(), ids=TABLE.keys())
def test_every_setting_explains_itself(known: Setting) -> None:
    assert known.meaning.endswith(".")
    assert known.kind.allowed


def test_the_shipped_file_is_what_the_table_says() -> None:
    assert SHIPPED.read_text() == shipped_file()


def test_the_shipped_file_changes_no_default() -> None:
    loaded = load_settings(SHIPPED.read_text(), file_name="shipped")
    assert loaded.settings == Settings()
    assert loaded.warnings == ()


def test_defaults_of_wcs() -> None:
    settings = Settings()
    assert (settings.ws_port, settings.wss_port, settings.http_port, settings.https_port) == (8080, 8443, 8081, 8444)
    assert settings.media_port_from == 31001
    assert (settings.keep_alive_server_interval, settings.keep_alive_probes) == (5.0, 10)
    assert settings.rest_request_timeout == 15.0
    assert settings.codecs == ("OPUS", "PCMU", "PCMA", "VP8", "H264", "VP9", "AV1")


def test_the_rest_api_answers_only_this_machine_by_default() -> None:
    assert (Settings().http_address, Settings().https_address) == ("127.0.0.1", "127.0.0.1")


def test_no_timeout_is_infinity() -> None:
    assert load_settings("rest_request_timeout=0").settings.rest_request_timeout == math.inf
    assert load_settings("rtp_activity_timeout=0").settings.rtp_activity_timeout == math.inf


def test_a_peer_is_given_up_when_a_browser_has_given_up() -> None:
    chromium_gives_up, several_checks_of_firefox = 15.0, 2 * 6.0
    assert several_checks_of_firefox < chromium_gives_up < Settings().ice_keep_alive_timeout < chromium_gives_up + 2


def test_what_print_config_prints_reads_back_as_the_same_settings() -> None:
    loaded = load_settings(
        "ws.port=9\nip=192.0.2.1/10.0.0.1\nwss.cert=/a\\\\b \\u00fc\\u0007\nwss.key=/k", overrides=["log.format=json"]
    )
    again = load_settings(effective_file(loaded.given), file_name="printed")
    assert again.settings == loaded.settings


def test_print_config_tells_where_each_value_came_from() -> None:
    loaded = load_settings("\nws.port=9", file_name="my.properties", overrides=["wss.port=0"])
    printed = effective_file(loaded.given)
    assert "# from: my.properties:2\nws.port=9\n" in printed
    assert "# from: --set\nwss.port=0\n" in printed
    assert "# from: default\nhttp.port=8081\n" in printed


def test_escaped_values_are_read_back() -> None:
    value = "a\\b\n\x07😀\u2028é"
    (entry,) = parse(f"key={escaped(value)}")
    assert isinstance(entry, Entry)
    assert entry.value == value
