"""The unit is fitted to an installation: its paths, its ports, what it may write."""

from pathlib import Path

import pytest
from attrs import evolve

from config.service_unit import SHIPPED_STATE, Installation, UnitError, fitted_unit
from config.settings import Settings

SHIPPED = (Path(__file__).resolve().parents[3] / "config/deploy/wcsd.service").read_text()
USUAL = Installation(
    program=Path("/opt/wcsd/bin/wcsd"),
    documents=Path("/opt/wcsd/share/doc/wcsd/docs"),
    config=None,
    state=SHIPPED_STATE,
)


def lines(installation: Installation, settings: Settings | None = None) -> set[str]:
    """Those that differ from the shipped unit."""
    return {*fitted_unit(SHIPPED, installation, settings or Settings()).splitlines()} - {*SHIPPED.splitlines()}


def test_the_usual_place_is_the_shipped_unit() -> None:
    assert fitted_unit(SHIPPED, USUAL, Settings()) == SHIPPED


def test_the_end_of_the_server_is_its_own_business() -> None:
    assert "KillMode=mixed" in SHIPPED.splitlines(), "else systemd ends the programs that write recordings first"


def test_calls_that_are_in_no_group_are_allowed_by_name() -> None:
    allowed = next(line for line in SHIPPED.splitlines() if line.startswith("SystemCallFilter=@system-service"))
    assert "mincore" in allowed.split(), "else the server finds no memory for huge pages, and says nothing"


def test_another_place_is_named() -> None:
    other = Installation(
        program=Path("/srv/w/bin/wcsd"), documents=Path("/srv/w/docs"), config=Path("/etc/w.conf"), state=Path("/srv/s")
    )
    assert lines(other) == {
        "Documentation=file:///srv/w/docs/operating.md",
        "ExecStart=/srv/w/bin/wcsd --config=/etc/w.conf --state=/srv/s",
        "ReadWritePaths=/srv/s",
    }
    assert "StateDirectory=" not in fitted_unit(SHIPPED, other, Settings())


@pytest.mark.parametrize("home", ["/home/me/state", "/root/state"])
def test_below_a_home_folder_that_must_be_seen(home: str) -> None:
    assert "ProtectHome=read-only" in lines(evolve(USUAL, state=Path(home)))


def test_what_systemd_would_take_for_more_than_a_path() -> None:
    odd = Installation(
        program=Path("/opt/a $b%c/wcsd"),
        documents=Path("/opt/a $b%c"),
        config=Path('/etc/a b%n$HOME"'),
        state=Path("/srv/$HOME%n"),
    )
    assert lines(odd) == {
        "Documentation=file:///opt/a%%20%%24b%%25c/operating.md",
        'ExecStart="/opt/a $b%%c/wcsd" "--config=/etc/a b%%n$$HOME\\"" --state=/srv/$$HOME%%n',
        "ReadWritePaths=/srv/$HOME%%n",  # in which there are no variables
    }


@pytest.mark.parametrize("odd", [evolve(USUAL, program=Path('/opt/"w"/wcsd')), evolve(USUAL, state=Path("/srv/a\nb"))])
def test_a_path_that_no_unit_can_have(odd: Installation) -> None:
    with pytest.raises(UnitError):
        fitted_unit(SHIPPED, odd, Settings())


@pytest.mark.parametrize("settings", [Settings(wss_port=443), Settings(public_https_port=443)])
def test_a_port_that_needs_a_capability(settings: Settings) -> None:
    assert lines(USUAL, settings) == {
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "PrivateUsers=no",
    }


def test_files_elsewhere_may_be_written() -> None:
    settings = Settings(audit_file=Path("/var/log/wcsd/audit.jsonl"), records_folder=Path("/srv/records"))
    assert lines(USUAL, settings) == {"ReadWritePaths=/var/log/wcsd", "ReadWritePaths=/srv/records"}
