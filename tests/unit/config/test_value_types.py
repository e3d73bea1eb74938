"""What each kind of value accepts and refuses."""

import math
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from config.values.addresses import Address, AddressPair, AddressPairs, LocalAddresses
from config.values.kinds import (
    Boolean,
    Choice,
    Duration,
    File,
    HeaderLines,
    Integer,
    Kind,
    OrderedChoices,
    StringList,
    Text,
)
from config.values.web import TOKEN, HostNames, Origins


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


CODECS = OrderedChoices({"opus": "OPUS", "vp8": "VP8"})


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Integer(0, 10), "0", 0),
        (Integer(0, 10), "+10", 10),
        (Integer(-5, 10), "-5", -5),
        (Duration("ms", 0, 9000), "2500", 2.5),
        (Duration("s", 1, 9000), "15", 15.0),
        (Duration("s", 1, 9000, zero_is_forever=True), "0", math.inf),
        (Boolean(), "true", True),
        (Boolean(), "FALSE", False),
        (Choice(Colour), "Blue", Colour.BLUE),
        (StringList("words"), " a, b ,,a", ("a", "b")),
        (StringList("words"), "", ()),
        (StringList("methods", form=TOKEN), "GET, M-SEARCH", ("GET", "M-SEARCH")),
        (Origins(), "", ()),
        (Origins(), "*, null", ("*", "null")),
        (
            Origins(),
            "https://A.Example/, HTTPS://a.example:443, http://a.example:80/",
            ("https://a.example", "http://a.example"),
        ),
        (
            Origins(),
            "https://a.example:8443, http://[::1]:80, http://[::1]:3000",
            ("https://a.example:8443", "http://[::1]", "http://[::1]:3000"),
        ),
        (Origins(), "capacitor://localhost, file://, app://-", ("capacitor://localhost", "file://", "app://-")),
        (HostNames(), "Media.Example., [::1]", ("media.example", "::1")),
        (CODECS, "VP8, opus", ("VP8", "OPUS")),
        (HeaderLines(), "", ()),
        (HeaderLines(), "Vary: Origin; X-A:b c ;", (("Vary", "Origin"), ("X-A", "b c"))),
        (Address(), "", None),
        (Address(), "127.0.0.1", "127.0.0.1"),
        (Address(), "[::1]", "::1"),
        (Address(), "0:0:0:0:0:0:0:0", "::"),
        (Text(), "", None),
        (Text(), "a key: with anything", "a key: with anything"),
        (File(), "", None),
        (File(), "/etc/a.pem", Path("/etc/a.pem")),
        (File("/opt/bin"), "a.sh", Path("/opt/bin/a.sh")),
        (File("/opt/bin"), "/etc/a.sh", Path("/etc/a.sh")),
        (File("/opt/bin"), "", None),
        (LocalAddresses(), "10.0.0.1, fd00:0::1", ("10.0.0.1", "fd00::1")),
        (AddressPairs(), "", ()),
        (AddressPairs(), "192.0.2.1", (AddressPair("192.0.2.1"),)),
        (AddressPairs(), "192.0.2.1 / 10.0.0.1,::1", (AddressPair("192.0.2.1", "10.0.0.1"), AddressPair("::1"))),
    ],
)
def test_accepted(kind: Kind[Any], text: str, value: object) -> None:
    assert kind.read(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        (Integer(0, 10), "", "is not a whole number"),
        (Integer(0, 10), "1.5", "is not a whole number"),
        (Integer(0, 10), "1_0", "is not a whole number"),
        (Integer(0, 10), "٣", "is not a whole number"),
        (Integer(0, 10), "11", "is out of range"),
        (Integer(0, 10), "-1", "is out of range"),
        (Duration("ms", 100, 9000), "5s", "is not a whole number"),
        (Duration("s", 1, 9000), "0", "is out of range"),
        (Boolean(), "yes", "is neither true nor false"),
        (Choice(Colour), "green", "is not known"),
        (StringList("words"), "a b", "'a b'"),
        (StringList("words", needed=True), ",", "is empty"),
        (StringList("methods", form=TOKEN), "POST;GET", "'POST;GET'"),
        (Origins(needed=True), " , ", "is empty"),
        (Origins(), "a.example", "'a.example', which is no origin"),
        (Origins(), "https://a.example/page", "without a path"),
        (Origins(), "https://*.example", "no origin"),
        (Origins(), "https://a.example:65536", "no origin"),
        (Origins(), "https://user@a.example", "no origin"),
        (Origins(), "https://b\u00fccher.example", "no origin"),
        (Origins(), "https://", "no origin"),
        (Origins(), "https:/a.example", "no origin"),
        (Origins(), "x://a/b", "no origin"),
        (HostNames(), "https://a.example", "'https://a.example', which is no host name"),
        (HostNames(), "a.example:8081", "without scheme, port and path"),
        (HostNames(), "*", "no host name"),
        (CODECS, "", "names none"),
        (CODECS, "opus,OPUS", "names one twice"),
        (CODECS, "mp3,flv", "names none"),
        (HeaderLines(), "no header", "'no header'"),
        (HeaderLines(), "A: b\r\nC: d", "is not a header"),
        (Address(), "localhost", "is not an IP address"),
        (Address(), "127.0.0.1:8080", "is not an IP address"),
        (File(), "a.pem", "is not an absolute path"),
        (LocalAddresses(), "0.0.0.0,10.0.0.1", "not the address of one interface"),
        (LocalAddresses(), "224.0.0.1", "not the address of one interface"),
        (LocalAddresses(), "fe80::1", "link-local"),
        (LocalAddresses(), "10.0.0.1,10.0.0.1", "names an address twice"),
        (AddressPairs(), "192.0.2.1/", "is not an IP address"),
        (AddressPairs(), "192.0.2.1/::1", "pairs IPv4 with IPv6"),
        (AddressPairs(), "example.com", "is not an IP address"),
    ],
)
def test_refused(kind: Kind[Any], text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault.replace("(", r"\(")):
        kind.read(text)


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        (Integer(0, 10), "a whole number from 0 to 10"),
        (Integer(1, 10, "bytes"), "a whole number of bytes from 1 to 10"),
        (Duration("ms", 100, 9000), "a whole number of milliseconds from 100 to 9000"),
        (Duration("s", 1, 9, zero_is_forever=True), "a whole number of seconds from 1 to 9, or 0 for no limit"),
        (Choice(Colour), "one of red, blue"),
        (CODECS, "at least one of opus, vp8, separated by commas, the preferred one first"),
        (StringList("names"), "names, separated by commas; or empty"),
        (StringList("names", needed=True), "names, separated by commas"),
        (Origins(), "origins such as https://example.com, or *, separated by commas; or empty"),
        (Origins(needed=True), "origins such as https://example.com, or *, separated by commas"),
    ],
)
def test_what_is_allowed_is_told_with_unit_and_range(kind: Kind[Any], allowed: str) -> None:
    assert kind.allowed == allowed
