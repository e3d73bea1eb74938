"""Which sources clients may name."""

import pytest

from config.values.capture import CaptureSources
from protocol.capture.rules import NOBODY, CaptureRules, read_rules
from protocol.capture.uri import read_capture_uri
from tests.support.capture.hostile_uris import OUT_OF_REACH

OWN = ("192.0.2.1", "2001:db8::1")


def rules(*items: str) -> CaptureRules:
    return read_rules(items)


@pytest.mark.parametrize("host", ["camera.example", "192.168.1.20", "203.0.113.9", "2001:db8::9"])
def test_nothing_is_allowed_by_default(host: str) -> None:
    assert not NOBODY.may_resolve(host)
    assert not NOBODY.allows(host, "203.0.113.9")


@pytest.mark.parametrize("name", OUT_OF_REACH)
def test_a_star_does_not_open_what_is_out_of_reach(name: str) -> None:
    host = read_capture_uri(name).host
    assert not rules("*", "0.0.0.0/0", "::/0").allows(host, host, OWN)


@pytest.mark.parametrize("name", OUT_OF_REACH)
def test_nor_does_a_name_that_leads_there(name: str) -> None:
    address = read_capture_uri(name).host
    everything = rules("*", "*.example", "camera.example", "0.0.0.0/0", "::/0")
    assert everything.may_resolve("camera.example")
    assert not everything.allows("camera.example", address, OWN)


def test_names_are_compared_whole() -> None:
    allowed = rules("Camera.example", "*.cams.example")
    assert [allowed.may_resolve(host) for host in ("camera.example", "a.cams.example", "a.b.cams.example")] == [
        True
    ] * 3
    for host in ("xcamera.example", "camera.example.evil", "cams.example", "xcams.example", "a.cams.example.evil"):
        assert not allowed.may_resolve(host), host
    assert allowed.allows("camera.example", "10.0.0.1")
    assert not allowed.allows("10.0.0.1", "10.0.0.1")


def test_a_listed_network_allows_what_is_in_it_by_any_name() -> None:
    allowed = rules("192.168.1.0/24", "[2001:db8::5]")
    assert allowed.allows("192.168.1.20", "192.168.1.20")
    assert allowed.allows("2001:db8::5", "2001:db8::5")
    assert allowed.allows("camera.lan", "192.168.1.20")
    assert allowed.allows("camera.lan", "::ffff:192.168.1.20")
    assert not allowed.allows("camera.lan", "192.168.2.20")
    assert allowed.names_address("192.168.1.20")
    assert not allowed.names_address("camera.lan")


@pytest.mark.parametrize("network", ["0.0.0.0/0", "192.0.0.0/8", "::/0"])
def test_the_sources_of_a_wide_network_are_read_in_isolation_only(network: str) -> None:
    """Strangers are in it, and could lead a process that has the server's network anywhere."""
    host = "2001:db8::7" if ":" in network else "192.0.2.7"
    assert rules(network).names_address(host)
    assert not rules(network).trusts_address(host)
    assert rules(network, host).trusts_address(host)


@pytest.mark.parametrize("network", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "203.0.113.0/24"])
def test_those_of_a_private_or_a_narrow_one_are_trusted(network: str) -> None:
    host = network.replace(".0/", ".7/").partition("/")[0]
    assert rules(network).trusts_address(host)


def test_an_address_that_is_out_of_reach_is_opened_by_naming_it() -> None:
    assert rules("127.0.0.1").allows("127.0.0.1", "127.0.0.1")
    assert rules("::1").allows("::1", "::1")
    assert not rules("127.0.0.1").allows("127.0.0.2", "127.0.0.2")
    assert not rules("192.0.2.0/24").allows("192.0.2.1", "192.0.2.1", OWN)
    assert rules("192.0.2.0/24", "192.0.2.1").allows("192.0.2.1", "192.0.2.1", OWN)


@pytest.mark.parametrize(
    "item", ["*.", "*.*", "a*", "127.1", "10.0.0.0/33", "10.0.0.1/24", "rtsp://host", "host:554", "*.1"]
)
def test_an_item_that_makes_no_sense_is_named(item: str) -> None:
    with pytest.raises(ValueError, match="has '") as refused:
        rules(item)
    assert item in str(refused.value)


def test_the_operator_is_told_what_it_means_to_allow_everything() -> None:
    kind = CaptureSources()
    assert kind.read(" *.example , 10.0.0.0/8,").names == {"*.example"}
    assert [remark.partition(" ")[0] for remark in kind.remarks("a.example, *, 0.0.0.0/0")] == ["*", "0.0.0.0/0"]
    assert not [*kind.remarks("a.example, *.example, 10.0.0.0/8")]
