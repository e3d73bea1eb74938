"""From text to settings: order, places, faults, warnings."""

from pathlib import Path

import pytest
from attrs import evolve

from config.loading import SettingsError, load_settings, shown
from config.render import effective_file
from config.settings import TABLE, Settings


def faults(text: str, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(text, file_name="f.properties", overrides=overrides)
    return caught.value.faults


def test_without_a_file_everything_is_default() -> None:
    loaded = load_settings(None)
    assert loaded.settings == Settings()
    assert {given.origin for given in loaded.given.values()} == {"default"}


def test_set_goes_before_the_file_and_the_file_before_the_default() -> None:
    loaded = load_settings("ws.port=1\nwss.port=2", file_name="f", overrides=["ws.port = 3"])
    assert (loaded.settings.ws_port, loaded.settings.wss_port, loaded.settings.http_port) == (3, 2, 8081)
    assert (loaded.given["ws.port"].origin, loaded.given["wss.port"].origin) == ("--set", "f:2")
    assert loaded.warnings == ()


def test_values_are_trimmed() -> None:
    assert load_settings("rest_request_timeout=20  \t\nws.port=  7 ").settings.rest_request_timeout == 20.0


def test_a_fault_has_place_key_reason_and_what_is_allowed() -> None:
    assert faults("\nws.port=80800") == (
        "f.properties:2: ws.port: '80800' is out of range; allowed: a whole number from 0 to 65535",
    )


def test_a_fault_of_the_command_line_says_so() -> None:
    (fault,) = faults("", "dtls_timeout=5s")
    assert fault == (
        "--set: dtls_timeout: '5s' is not a whole number; allowed: a whole number of milliseconds from 100 to 86400000"
    )


def test_every_fault_is_told_at_once() -> None:
    assert [fault.split(":")[1] for fault in faults("ws.port=x\na=\\u1\nlog.level=loud")] == ["2", "1", "3"]


def test_faults_and_remarks_are_told_in_the_order_of_their_lines() -> None:
    text = "rest_request_timeout=-1\ncodecs=\nws.port=x\nkeep_alive.probes=x"
    lines = [fault.split(":")[1] for fault in faults(text, "wss.port=x")]
    assert lines == ["1", "2", "3", "4", " wss.port"]  # the last one has no line
    warnings = load_settings("trusted_proxies=0.0.0.0/0\nip_local=0.0.0.0\ncodecs=vp8,g729", file_name="f").warnings
    assert [warning.split(":")[1] for warning in warnings] == ["1", "2", "3"]


@pytest.mark.parametrize("override", ["ws.port", "=5", ""])
def test_an_override_without_key_or_value_is_a_fault(override: str) -> None:
    assert faults("", override) == (f"--set: {override!r} is not key=value",)


@pytest.mark.parametrize(
    ("line", "suggestion"),
    [
        ("rest request timeout=15", "rest request timeout: unknown setting; did you mean rest_request_timeout?"),
        ("ws.prot=1", "ws.prot: unknown setting; did you mean ws.port?"),
        ("WS_PORT=1", "WS_PORT: unknown setting; did you mean ws.port?"),
        ("qqqqqqqqqqqqqqqqqqqqqqq=1", "qqqqqqqqqqqqqqqqqqqqqqq: unknown setting"),
        ("=1", "'': unknown setting"),
    ],
)
def test_an_unknown_key_is_one_warning_with_the_nearest_known_key(line: str, suggestion: str) -> None:
    loaded = load_settings(line, file_name="f")
    assert loaded.warnings == (f"f:1: {suggestion}",)
    assert loaded.settings == Settings()


def test_a_setting_of_wcs_without_effect_here_is_a_warning_that_says_why() -> None:
    (warning,) = load_settings("rtp_bundle=true", file_name="f").warnings
    assert warning == "f:1: rtp_bundle: has no effect here: audio and video always share one transport"


def test_of_a_key_given_twice_the_last_counts_with_a_warning() -> None:
    loaded = load_settings("ws.port=1\nws.port=2", file_name="f")
    assert loaded.settings.ws_port == 2
    assert loaded.warnings == ("f:2: ws.port: also set at f:1; the last one wins",)


def test_data_must_fit_into_a_request() -> None:
    (fault,) = faults("data.max_size=983041")
    assert fault.startswith("f.properties:1: data.max_size: 983041 is too large; allowed: at most 983040")
    assert load_settings("data.max_size=983040").settings.data_max_size == 983_040
    assert load_settings("rest.max_body_size=100000").settings.data_max_size == 262_144  # requests are bounded anyway


def test_the_setting_of_wcs_must_not_contradict_ours() -> None:
    (fault,) = faults("disable_rest_auth=false\nrest.auth=off")
    assert fault == "f.properties:1: disable_rest_auth: false contradicts rest.auth=off (f.properties:2); leave one out"


@pytest.mark.parametrize(
    ("disable", "auth"),
    [("false", "required"), ("false", "auto"), ("true", "off"), ("true", "auto"), ("true", "required")],
)
def test_the_setting_of_wcs_may_agree_with_ours(disable: str, auth: str) -> None:
    assert load_settings(f"disable_rest_auth={disable}\nrest.auth={auth}").warnings == ()


def test_a_proxy_for_websockets_alone_is_no_warning() -> None:
    assert load_settings("trusted_proxies=10.0.0.1\nws.proxy_protocol=true").warnings == ()


def test_the_proxy_protocol_is_accepted_from_someone() -> None:
    assert faults("wss.proxy_protocol=true") == (
        "f.properties:1: wss.proxy_protocol: requires trusted_proxies, which names who may send it",
    )


def test_certificate_and_key_come_together() -> None:
    assert load_settings("wss.cert=/c\nwss.key=/k").settings.wss_key == Path("/k")
    assert faults("wss.cert=/c") == ("f.properties:1: wss.cert: requires wss.key; allowed: both or neither",)
    assert faults("wss.key=/k")[0].startswith("f.properties:1: wss.key: requires wss.cert")


def test_ip_and_ip_local_must_fit_each_other() -> None:
    (fault,) = faults("ip=192.0.2.1\nip_local=10.0.0.1,10.0.0.2")
    assert fault.startswith("f.properties:2: ip_local: has 2 addresses, ip has 1")


def test_hooks_are_signed_with_a_key() -> None:
    assert faults("rest_hook_send_hash=true") == (
        "f.properties:1: rest_hook_send_hash: requires rest_hook_secret_key; allowed: both or neither",
    )
    loaded = load_settings("rest_hook_send_hash=true\nrest_hook_secret_key=1234567890")
    assert loaded.settings.rest_hook_secret_key == "1234567890"
    assert "1234567890" not in repr(loaded.settings) + effective_file(loaded.given)


def test_the_mask_of_a_secret_is_no_secret() -> None:
    printed = effective_file(load_settings("rest_hook_secret_key=abc\nrest_hook_send_hash=true").given)
    (fault,) = faults(printed)
    assert fault.endswith(
        "rest_hook_secret_key: '********' only stands for a secret, as --print-config shows it; write the secret"
    )
    assert load_settings(printed.replace("key=********", "key=abc")).settings.rest_hook_secret_key == "abc"


def test_insecure_tls_is_loud() -> None:
    assert load_settings("rest_insecure_tls=true").warnings[0].startswith("rest_insecure_tls: ")


def test_a_secret_is_masked_wherever_a_value_is_shown() -> None:
    secret = evolve(TABLE["ws.port"], key="rest.password")
    assert shown(secret, "hunter2") == "********"
    assert shown(secret, "") == ""
    assert shown(TABLE["ws.port"], "8080") == "8080"
