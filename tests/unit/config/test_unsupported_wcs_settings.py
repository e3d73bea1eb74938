"""A settings file of WCS, put in place as it is."""

from pathlib import Path

import pytest

from config.loading import load_settings
from config.settings import TABLE
from config.unsupported_wcs_settings import FAMILIES, KEYSTORES, reason_without_effect

STOCK = (Path(__file__).parents[2] / "fixtures" / "wcs" / "flashphoner.properties").read_text()


def warnings_of(text: str) -> list[str]:
    """What the operator is told, without the place."""
    return [warning.split(": ", 1)[1] for warning in load_settings(text, file_name="f").warnings]


def test_the_file_of_an_installation_is_taken() -> None:
    settings = load_settings(STOCK).settings
    assert (settings.ws_port, settings.media_port_from, settings.rest_max_connections) == (8080, 31001, 200)
    assert settings.codecs == ("OPUS", "PCMA", "PCMU", "H264", "VP8")
    assert (settings.ip, settings.ip_local) == ((), ())
    assert settings.streaming_sessions_keep_alive_app_keys == ("defaultApp",)


def test_each_of_its_settings_is_known_or_told_with_a_reason() -> None:
    told = warnings_of(STOCK)
    assert not [warning for warning in told if "unknown" in warning]
    keys = {line.split("=")[0].strip() for line in STOCK.splitlines() if "=" in line and not line.startswith("#")}
    without_effect = {warning.split(": ")[0] for warning in told if "has no effect here: " in warning}
    assert without_effect == keys - TABLE.keys()
    assert not [warning for warning in told if "not-to-be-shown" in warning]


def test_a_key_store_is_told_with_the_command_that_converts_it() -> None:
    (told,) = warnings_of("wss.keystore.file=/etc/wss.jks")
    assert told == (
        "wss.keystore.file: has no effect here: a Java key store; wss.cert and wss.key take its content as PEM: "
        "keytool -importkeystore -srckeystore /etc/wss.jks -destkeystore wss.p12 -deststoretype PKCS12 && "
        "openssl pkcs12 -in wss.p12 -nokeys -out wss-cert.pem && "
        "openssl pkcs12 -in wss.p12 -nocerts -nodes -out wss-key.pem"
    )


@pytest.mark.parametrize("value", ["", "a; rm -rf /", "\x1b[31m"])
def test_a_path_that_is_no_plain_one_is_left_out_of_the_command(value: str) -> None:
    assert "-srckeystore FILE " in (reason_without_effect(KEYSTORES[0], value) or "")


def test_codecs_that_are_not_there_are_left_out_with_a_reason() -> None:
    assert warnings_of("codecs=opus,g729,vp88,mp3") == [
        "codecs: 'g729' is ignored: browsers do not have it",
        "codecs: 'vp88' is ignored as unknown (did you mean 'vp8'?)",
        "codecs: 'mp3' is ignored as unknown",
    ]


@pytest.mark.parametrize("key", ["ip", "ip_local"])
@pytest.mark.parametrize("value", ["0.0.0.0", "::", "0:0::0"])
def test_every_address_is_the_same_as_none(key: str, value: str) -> None:
    assert warnings_of(f"{key}={value}") == [f"{key}: {value} is treated as empty: every address of this machine"]


def test_no_family_takes_a_setting_of_ours() -> None:
    assert not [key for key in TABLE for beginning in FAMILIES if key.startswith(beginning)]


def test_what_nobody_knows_is_still_told_as_unknown() -> None:
    assert warnings_of("ws.prot=1\nfoo=1") == [
        "ws.prot: unknown setting; did you mean ws.port?",
        "foo: unknown setting",
    ]
