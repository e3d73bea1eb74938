"""What a release takes from the changelog, and the files that put it into service."""

import re
from pathlib import Path

import pytest

from config.doctor import ENOUGH_WAITING, SPARE_DESCRIPTORS
from config.settings import Settings
from config.version import VERSION
from tests.release.artefacts import DEPLOY_FILES, Release
from tests.release.bare_system import CHAPTERS, documented_commands
from tests.release.changelog import NotReleasable, draft_notes, release_notes, sections
from tests.release.unit import INSTALLED, check_sysctl

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "config/deploy"
CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.1.0] - 2027-01-31

### Added

- New.

## [1.0.0] - 2027-01-01

First.
"""


def test_notes_are_the_section_of_the_version() -> None:
    assert release_notes(CHANGELOG, "1.1.0") == "### Added\n\n- New."


@pytest.mark.parametrize(
    ("changelog", "version", "message"),
    [
        (CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n- More.\n"), "1.1.0", "is not empty"),
        (CHANGELOG, "1.2.0", "the newest version is 1.1.0, and config/version.py has 1.2.0"),
        (CHANGELOG, "1.0.0", "the newest version is 1.1.0"),
        (CHANGELOG.replace("2027-01-31", "soon"), "1.1.0", "has no day"),
        (CHANGELOG.replace(" - 2027-01-31", ""), "1.1.0", "has no day"),
        (CHANGELOG.replace("### Added\n\n- New.\n", ""), "1.1.0", "is empty"),
        ("# Changelog\n", "1.1.0", "the newest version is none"),
    ],
)
def test_what_is_no_release(changelog: str, version: str, message: str) -> None:
    with pytest.raises(NotReleasable, match=re.escape(message)):
        release_notes(changelog, version)


def test_a_draft_takes_the_newest_section_with_something_in_it() -> None:
    assert draft_notes(CHANGELOG) == "### Added\n\n- New."
    assert draft_notes("") == ""


def test_our_changelog_has_the_sections_that_a_release_looks_for() -> None:
    versions = [name for name, _, _ in sections((ROOT / "CHANGELOG.md").read_text())]
    assert versions[0] == "Unreleased"
    assert VERSION in versions


def test_every_file_for_deploying_is_part_of_a_release() -> None:
    assert {path.name for path in DEPLOY.iterdir()} == {*DEPLOY_FILES}


def test_the_commands_that_bare_systems_carry_out_are_those_of_the_documentation() -> None:
    text = (ROOT / "docs/operating.md").read_text()
    commands = [command for chapter in CHAPTERS for command in documented_commands(text, chapter)]
    assert [command.split()[0] for command in commands[:3]] == ["sha256sum", "apt-get", "python3"]
    assert "wcsd --init" in commands
    with pytest.raises(NotReleasable, match="has no chapter"):
        list(documented_commands("", "Installing"))


def directives(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", (DEPLOY / "wcsd.service").read_text(), re.MULTILINE)


def test_the_unit_fits_the_defaults() -> None:
    settings = Settings()
    assert directives("ExecStart") == [INSTALLED]
    assert float(directives("TimeoutStopSec")[0]) > settings.shutdown_timeout
    assert int(directives("LimitNOFILE")[0]) >= settings.max_sessions + SPARE_DESCRIPTORS
    assert directives("Type") == ["notify"]


def test_the_unit_has_nothing_that_the_server_does_not_start_with() -> None:
    assert directives("MemoryDenyWriteExecute") == directives("ProcSubset") == []


def test_the_kernel_gets_what_the_doctor_asks_for() -> None:
    check_sysctl(DEPLOY / "sysctl.conf")
    values = dict(re.findall(r"^net\.core\.(\w+) = (\d+)$", (DEPLOY / "sysctl.conf").read_text(), re.MULTILINE))
    assert int(values["rmem_max"]) == int(values["wmem_max"]) == Settings().media_socket_buffer
    assert int(values["somaxconn"]) >= ENOUGH_WAITING


def test_a_line_that_sets_no_number_is_found(tmp_path: Path) -> None:
    (tmp_path / "sysctl.conf").write_text("net.core.rmem_max=lots\n")
    with pytest.raises(NotReleasable, match="lots"):
        check_sysctl(tmp_path / "sysctl.conf")


def test_a_folder_with_other_things_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "wcsd.service").write_text("of the release before")
    (tmp_path / "thesis.txt").write_text("years of work")
    release = Release(version="1.1.0", commit="HEAD", time=0, target=tmp_path)
    with pytest.raises(NotReleasable, match=r"holds thesis\.txt"):
        release.make(ROOT, tmp_path / "workshop", "")
    assert len(list(tmp_path.iterdir())) == 2
