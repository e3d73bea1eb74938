"""docs/licences.md lists what is installed, under the licences that the packages themselves name."""

import importlib.metadata
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = dict(re.findall(r"^\| ([a-z0-9-]+) \| ([^|]+) \|$", (ROOT / "docs/licences.md").read_text(), re.MULTILINE))
PINNED = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))


def test_every_package_of_the_server_is_listed_and_no_other() -> None:
    assert ROWS.keys() - {"package"} == PINNED


def test_a_licence_is_the_one_that_its_package_names() -> None:
    stated = {name: importlib.metadata.metadata(name).json.get("license_expression") for name in PINNED}
    named = {name: str(licence) for name, licence in stated.items() if licence}
    assert len(named) > 10
    assert {name: ROWS[name] for name in named} == named
