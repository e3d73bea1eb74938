"""What `wcsd --doctor` finds, and what it says to do about it."""

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from config.doctor import NO_SPACE, Finding, FolderFacts, Level, MachineFacts, examine, worst
from config.settings import Settings
from config.value_types import AddressPair

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
    certificate_days=60,
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
        ({"certificate_days": 13}, "certificate", Level.WARNING, "renew"),
        ({"certificate_days": -1}, "certificate", Level.WARNING, "renew"),
        ({"certificate_days": None}, "certificate", Level.FAULT, "set wss.cert"),
        ({"addresses": ("10.0.0.1", "fd00::1")}, "addresses", Level.WARNING, "set ip to the public address"),
        ({"addresses": ()}, "addresses", Level.WARNING, "set ip to the public address"),
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
        {"folder": evolve(FOLDER, path="/var/lib", exists=False, owner=0, mode=0o755)},
    ],
)
def test_what_does_not_matter(facts: dict[str, Any]) -> None:
    assert worst(found(evolve(SOUND, **facts))) is Level.OK


def test_without_a_certificate_browsers_refuse() -> None:
    assert worst(found(SOUND, Settings())) is Level.WARNING


def test_a_private_address_that_is_configured_is_meant() -> None:
    settings = evolve(WITH_CERTIFICATE, ip=(AddressPair("10.0.0.1"),))
    assert worst(found(evolve(SOUND, addresses=("10.0.0.1",)), settings)) is Level.OK
