"""What `wcsd --doctor` finds, and what it says to do about it."""

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from config.doctor import (
    NO_SPACE,
    BackendFacts,
    CertificateFacts,
    Finding,
    FolderFacts,
    Level,
    MachineFacts,
    SenderFacts,
    StunFacts,
    examine,
    worst,
)
from config.settings import MediaSender, Settings
from config.values.addresses import AddressPair

MIB = 1024**2
FOLDER = FolderFacts(path="/var/lib/wcsd", exists=True, owner=10, mode=0o700, is_writable=True, free=10_000 * MIB)
SOUND = MachineFacts(
    user=10,
    folder=FOLDER,
    descriptors=None,
    rmem_max=8 * MIB,
    wmem_max=8 * MIB,
    somaxconn=4096,
    may_force_buffers=False,
    addresses=("8.8.4.4",),
    certificate=CertificateFacts(days=60, names=("media.example.com",)),
    clock_is_right=True,
    swap=0,
    swappiness=60,
    systemd=252,
    sender=SenderFacts(name="fast", reason="passed its test"),
    backends=(BackendFacts(app="shop", address="https://shop.example.com:443", fault=None),),
    stun=StunFacts(server="stun.example.com", address="8.8.4.4"),
)
WITH_CERTIFICATE = Settings(wss_cert=Path("/c.pem"), wss_key=Path("/k.pem"))


def found(facts: MachineFacts, settings: Settings = WITH_CERTIFICATE) -> list[Finding]:
    return list(examine(settings, facts))


def test_a_sound_machine() -> None:
    assert [finding for finding in found(SOUND) if finding.level or finding.remedy] == []
    assert worst(found(SOUND)) == 0


@pytest.mark.parametrize(
    ("facts", "about", "level", "remedy"),
    [
        ({"folder": evolve(FOLDER, is_writable=False)}, "state folder", Level.FAULT, "chown -R USER /var/lib/wcsd"),
        ({"folder": evolve(FOLDER, mode=0o755)}, "state folder", Level.WARNING, "chmod 700 /var/lib/wcsd"),
        ({"user": 0}, "state folder", Level.WARNING, "as the server's user"),
        ({"folder": evolve(FOLDER, free=100 * MIB)}, "space", Level.WARNING, "make room"),
        ({"folder": evolve(FOLDER, free=NO_SPACE - 1)}, "space", Level.FAULT, "make room"),
        ({"descriptors": 1024}, "descriptors", Level.WARNING, "LimitNOFILE=10500"),
        ({"rmem_max": 212_992}, "media buffers", Level.WARNING, "sysctl -w net.core.rmem_max=8388608;"),
        ({"somaxconn": 128}, "arrivals", Level.WARNING, "net.core.somaxconn=1024"),
        ({"certificate": CertificateFacts(days=13, names=("a",))}, "certificate", Level.WARNING, "renew"),
        ({"certificate": CertificateFacts(days=-1, names=("a",))}, "certificate", Level.WARNING, "renew"),
        ({"certificate": CertificateFacts(days=60, names=())}, "certificate", Level.WARNING, "subjectAltName"),
        ({"certificate": None}, "certificate", Level.FAULT, "set wss.cert"),
        ({"addresses": ("10.0.0.1", "fd00::1")}, "addresses", Level.WARNING, "set ip to the public address"),
        ({"addresses": ()}, "addresses", Level.WARNING, "set ip to the public address"),
        ({"clock_is_right": False}, "clock", Level.WARNING, "systemd-timesyncd"),
        ({"sender": SenderFacts(name="portable", reason="failed")}, "media sender", Level.WARNING, "list of hashes"),
        ({"sender": SenderFacts(name="", reason="failed")}, "media sender", Level.FAULT, "media.sender=fast"),
        ({"swap": 512 * MIB}, "swap", Level.WARNING, "MemorySwapMax=0"),
        ({"systemd": 241}, "systemd", Level.WARNING, "Debian 12"),
        ({"stun": StunFacts(server="s", fault="no answer")}, "address outside", Level.WARNING, "--stun"),
        (
            {"backends": (BackendFacts(app="shop", address="http://shop:80", fault="Connection refused"),)},
            *("backend of shop", Level.WARNING, "wcs test app shop"),
        ),
    ],
)
def test_each_trouble_is_one_line_with_its_remedy(facts: dict[str, Any], about: str, level: Level, remedy: str) -> None:
    (finding,) = [finding for finding in found(evolve(SOUND, **facts)) if finding.level]
    assert (finding.about, finding.level) == (about, level)
    assert remedy in finding.remedy
    assert worst(found(evolve(SOUND, **facts))) == level


@pytest.mark.parametrize(
    "facts",
    [
        {"rmem_max": 1, "may_force_buffers": True},
        {"rmem_max": None, "wmem_max": None, "somaxconn": None},
        {"clock_is_right": None, "systemd": None, "stun": None, "backends": ()},
        {"swap": 512 * MIB, "swappiness": 1},
        {"folder": evolve(FOLDER, path="/var/lib", exists=False, owner=0, mode=0o755)},
    ],
)
def test_what_does_not_matter(facts: dict[str, Any]) -> None:
    assert worst(found(evolve(SOUND, **facts))) is Level.OK


def test_without_a_certificate_browsers_refuse() -> None:
    assert worst(found(SOUND, Settings())) is Level.WARNING


def test_a_private_address_that_is_configured_is_meant() -> None:
    settings = evolve(WITH_CERTIFICATE, ip=(AddressPair("10.0.0.1"),))
    assert worst(found(evolve(SOUND, addresses=("10.0.0.1",), stun=None), settings)) is Level.OK


def test_an_address_outside_that_ip_does_not_have() -> None:
    settings = evolve(WITH_CERTIFICATE, ip=(AddressPair("198.51.100.7", "10.0.0.5"),))
    facts = evolve(SOUND, stun=StunFacts(server="s", address="203.0.113.9"))
    (finding,) = [finding for finding in found(facts, settings) if finding.level]
    assert finding.remedy == "if clients come from outside, ip must have 203.0.113.9"


def test_a_portable_sender_that_is_configured_is_meant() -> None:
    settings = evolve(WITH_CERTIFICATE, media_sender=MediaSender.PORTABLE)
    portable = SenderFacts(name="portable", reason="set by media.sender")
    assert worst(found(evolve(SOUND, sender=portable), settings)) is Level.OK
