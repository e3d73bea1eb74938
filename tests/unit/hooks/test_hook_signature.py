"""The signature of a hook, by the test cases of RFC 2202 section 2."""

import pytest

from protocol.hooks import signature


@pytest.mark.parametrize(
    ("key", "content", "digest"),
    [
        (b"\x0b" * 16, b"Hi There", b"9294727a3638bb1c13f48ef8158bfc9d"),
        (b"Jefe", b"what do ya want for nothing?", b"750c783e6ab0b503eaa86e310a5db738"),
        (b"\xaa" * 80, b"Test Using Larger Than Block-Size Key - Hash Key First", b"6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
    ],
)
def test_it_is_the_hmac_md5_of_the_body_in_hex(key: bytes, content: bytes, digest: bytes) -> None:
    assert signature(key, content) == b"WCS " + digest
