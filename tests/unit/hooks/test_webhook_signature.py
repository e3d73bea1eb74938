"""Signatures after Standard Webhooks, against the specification's own example and an independent check."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.apps import App, AppError, AppTable
from config.tables.apps_file import read_apps, write_apps
from protocol.hooks.webhook_signature import new_secret, read_secret, webhook_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = new_secret(bytes(range(32)))
NOW = 1_800_000_000.0


def app(**fields: str | None) -> App:
    return App(name="shop", key="shop", url="http://a/b").with_fields(**fields)


def is_valid(secret: str, headers: dict[bytes, bytes], body: bytes) -> bool:
    """What a backend does, by the text of the specification."""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = headers[b"webhook-id"] + b"." + headers[b"webhook-timestamp"] + b"." + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    versions = [entry.split(b",", 1) for entry in headers[b"webhook-signature"].split(b" ")]
    return any(version == b"v1" and hmac.compare_digest(value, expected) for version, value in versions)


def test_the_example_of_the_specification() -> None:
    headers = webhook_headers(
        [read_secret(SECRET)],
        hook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        content=b'{"test": 2432232314}',
    )
    assert headers == (
        (b"webhook-id", b"msg_p5jXN8AQM9LWM0D4loKWxJek"),
        (b"webhook-timestamp", b"1614265330"),
        (b"webhook-signature", b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    )


@given(st.binary(max_size=200), st.binary(min_size=24, max_size=64), st.integers(0, 2**40))
def test_each_secret_verifies_and_no_other(body: bytes, key: bytes, timestamp: int) -> None:
    headers = dict(webhook_headers([key, b"k" * 24], hook_id="a-1", timestamp=timestamp, content=body))
    assert is_valid(new_secret(key), headers, body)
    assert is_valid(new_secret(b"k" * 24), headers, body)
    assert not is_valid(new_secret(b"other" * 6), headers, body)
    assert not is_valid(new_secret(key), headers, body + b" ")


def test_without_a_secret_there_are_no_headers() -> None:
    assert webhook_headers([], hook_id="a-1", timestamp=1, content=b"") == ()
    assert app().signing_keys(NOW) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        "whsec_%%%%",
        f"whsec_{'A' * 20}",
        f"whsec_{'A' * 100}",
        f"{SECRET}\n",
    ],
)
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes in base64"):
        read_secret(text)
    if text:
        with pytest.raises(AppError, match="webhook_secret"):
            app(webhook_secret=text)


# -- the secret of an application -------------------------------------------------------------------------------------


def test_a_new_secret_is_used_beside_the_old_one_for_a_while() -> None:
    first = app().with_new_secret(SECRET, now=NOW, overlap=3600)
    assert first.signing_keys(NOW) == (read_secret(SECRET),)
    second = first.with_new_secret(NEW, now=NOW, overlap=3600)
    assert second.signing_keys(NOW) == (read_secret(NEW), read_secret(SECRET))
    assert second.signing_keys(NOW + 3599) == (read_secret(NEW), read_secret(SECRET))
    assert second.signing_keys(NOW + 3600) == (read_secret(NEW),)
    assert first.with_new_secret(NEW, now=NOW, overlap=0).signing_keys(NOW) == (read_secret(NEW),)


def test_secrets_are_kept_in_the_file_and_never_shown() -> None:
    changed = app().with_new_secret(SECRET, now=NOW, overlap=0).with_new_secret(NEW, now=NOW, overlap=3600)
    table = AppTable((changed,))
    assert read_apps(write_apps(table), file_name="apps.toml") == table
    assert SECRET not in repr(table)
    assert NEW not in repr(table)


@pytest.mark.parametrize("time", ["tomorrow", "2027-01-31", "2027-01-31T12:00:00"])
def test_a_time_needs_a_zone(time: str) -> None:
    with pytest.raises(AppError, match="old_webhook_secret_until: must be a time"):
        app(webhook_secret=NEW, old_webhook_secret=SECRET, old_webhook_secret_until=time)
