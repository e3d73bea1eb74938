"""The installed programs start only with our own packages."""

from pathlib import Path

from wcsd_start import OWNER, PACKAGES, foreign_packages

ROOT = Path(__file__).resolve().parents[2]


def test_our_packages_are_ours() -> None:
    assert list(foreign_packages(ROOT)) == []


def test_each_package_names_its_owner() -> None:
    assert [name for name in PACKAGES if OWNER not in (ROOT / name / "__init__.py").read_text()] == []


def test_packages_of_another_place_are_foreign(tmp_path: Path) -> None:
    told = list(foreign_packages(tmp_path))
    assert told[1] == f"package 'config' is found in {ROOT / 'config'}, and not in {tmp_path / 'config'}"
    assert len(told) == len(PACKAGES)
