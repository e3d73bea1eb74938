"""Makes and checks the files of a release: bin/release [--draft] [--bare] [--target DIR].

They are made out of the last commit: the wheel, the list of hashes that installs it, the sources, the section of the
changelog, what systemd and containers need, and the sums of all. Nothing is published. A draft may lack what only a
release has: a dated section in the changelog, and a checkout without uncommitted changes.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from config.version import VERSION
from tests.release import bare_system, installation, unit, wheel
from tests.release.artefacts import Release, git
from tests.release.changelog import NotReleasable, draft_notes, release_notes

CHECKOUT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 if the release is good, 1 if not."""
    options = _parser().parse_args(arguments)
    target = options.target.absolute()
    try:
        notes = _notes(draft=options.draft)
        commit, time = git(CHECKOUT, "log", "-1", "--format=%H %ct").decode().split()
        release = Release(version=VERSION, commit=commit, time=int(time), target=target)
        with tempfile.TemporaryDirectory(prefix="wcsd-release-") as folder:
            _make(release, notes, Path(folder))
            _check(release, Path(folder))
            if options.bare:
                _check_on_bare_systems(release)
    except NotReleasable as error:
        print(f"NOT RELEASABLE: {error}", file=sys.stderr)
        return 1
    print(f"\n{'a draft' if options.draft else 'a release'} of wcsd {VERSION}, commit {commit[:12]}, is in {target}:")
    print(*(f"  {file.stat().st_size:>9,}  {file.name}" for file in sorted(target.iterdir())), sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/release", description="Makes and checks the files of a release.")
    parser.add_argument("--draft", action="store_true", help="a try: no section of the changelog is needed")
    parser.add_argument("--bare", action="store_true", help="also install it on bare systems of Debian 12 and 13")
    parser.add_argument("--target", type=Path, default=CHECKOUT / "dist", metavar="DIR", help="default: dist/")
    return parser


def _notes(*, draft: bool) -> str:
    """The section of the changelog. Raises NotReleasable if this checkout cannot be released."""
    changelog = git(CHECKOUT, "show", "HEAD:CHANGELOG.md").decode()
    if draft:
        return draft_notes(changelog)
    if changes := git(CHECKOUT, "status", "--porcelain").decode().splitlines():
        raise NotReleasable(f"there are uncommitted changes, such as {changes[0].split()[-1]}")
    tagged = git(CHECKOUT, "for-each-ref", "--format=%(objectname)", f"refs/tags/v{VERSION}").decode().strip()
    if tagged and git(CHECKOUT, "rev-list", "-1", tagged) != git(CHECKOUT, "rev-list", "-1", "HEAD"):
        raise NotReleasable(f"v{VERSION} was released from another commit; raise VERSION in config/version.py")
    return release_notes(changelog, VERSION)


def _make(release: Release, notes: str, workshop: Path) -> None:
    made = workshop / "made"
    made.mkdir()
    _step("files made", lambda: release.make(CHECKOUT, made, notes))


def _check(release: Release, workshop: Path) -> None:
    environment, lock = workshop / "environment", git(CHECKOUT, "show", "HEAD:requirements.txt").decode()
    program = environment / "bin/wcsd"
    _step("wheel: contents", lambda: wheel.check_contents(release, CHECKOUT))
    _step("wheel: metadata", lambda: wheel.check_metadata(release, lock))
    _step("wheel: the same, built again", lambda: wheel.check_again(release, CHECKOUT, workshop))
    _step("installed by its list of hashes", lambda: installation.install(release, environment))
    _step(
        "programs, with the calls of the unit",
        lambda: installation.check_programs(release, environment, workshop / "state"),
    )
    _step("programs, shadowed", lambda: installation.check_shadows(environment, workshop))
    _step("unit", lambda: unit.check_unit(release.target / "wcsd.service", program, workshop))
    _step("unit, in odd places", lambda: unit.check_odd_places(release.target / "wcsd.service", workshop))
    _step("unit, as --init writes it", lambda: unit.verify(installation.set_up(environment, workshop / "system")))
    _step("sandbox of workers, likewise", lambda: installation.check_sandbox(release, environment))
    _step("sysusers", lambda: unit.check_sysusers(release.target / "sysusers.conf"))
    _step("sysctl", lambda: unit.check_sysctl(release.target / "sysctl.conf"))


def _check_on_bare_systems(release: Release) -> None:
    text = git(CHECKOUT, "show", "HEAD:docs/operating.md").decode()
    for debian in bare_system.RELEASES:
        check = partial(bare_system.check_on_bare_system, release, text, debian, CHECKOUT / "build/bare")
        _step(f"on a bare {debian}, as documented", check)


def _step(name: str, work: Callable[[], str | None]) -> None:
    print(f"{name} ...", end=" ", flush=True)
    print(work() or "good", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
