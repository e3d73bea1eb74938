"""The files of a release, made out of one commit, so that the same commit gives the same files."""

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from attrs import frozen

from tests.release.changelog import NotReleasable

DEPLOY_FILES = ("Containerfile", "wcsd.service", "sysusers.conf", "sysctl.conf")
SUMS = "SHA256SUMS"


@frozen(kw_only=True)
class Release:
    """A version, out of `commit`, made at `time` (seconds since 1970), in the folder `target`."""

    version: str
    commit: str
    time: int
    target: Path

    @property
    def wheel(self) -> Path:
        return self.target / f"wcsd-{self.version}-py3-none-any.whl"

    @property
    def requirements(self) -> Path:
        return self.target / f"wcsd-{self.version}-requirements.txt"

    @property
    def source(self) -> Path:
        return self.target / f"wcsd-{self.version}.tar.gz"

    @property
    def notes(self) -> Path:
        return self.target / f"wcsd-{self.version}-changes.md"

    def make(self, checkout: Path, workshop: Path, notes: str) -> None:
        """Make all files. `workshop` is an empty folder."""
        self._clear()
        archive = self.archive(checkout)
        self.source.write_bytes(gzip.compress(archive, mtime=0))
        self.build_wheel(archive, workshop)
        source = workshop / f"wcsd-{self.version}"
        for name in DEPLOY_FILES:
            (self.target / name).write_bytes((source / "config/deploy" / name).read_bytes())
        self.requirements.write_text(self._locked((source / "requirements.txt").read_text()))
        self.notes.write_text(f"# wcsd {self.version}\n\n{notes}\n")
        self._write_sums()

    def _clear(self) -> None:
        """An empty folder. Raises NotReleasable for one that holds what no release has: it may be somebody's home."""
        self.target.mkdir(parents=True, exist_ok=True)
        files = sorted(self.target.iterdir())
        for file in files:
            if file.is_dir() or not (file.name.startswith("wcsd-") or file.name in (*DEPLOY_FILES, SUMS)):
                raise NotReleasable(f"{self.target} holds {file.name}, and would be emptied; name another folder")
        for file in files:
            file.unlink()

    def archive(self, checkout: Path) -> bytes:
        """The sources as a tar archive."""
        prefix = f"--prefix=wcsd-{self.version}/"
        return git(checkout, "-c", "tar.umask=0022", "archive", "--format=tar", prefix, self.commit)

    def build_wheel(self, archive: bytes, workshop: Path) -> None:
        """Build it out of the archive, by the build tools of the test environment."""
        subprocess.run(["tar", "-x", "-C", str(workshop)], input=archive, check=True)
        offline = ("--no-deps", "--no-index", "--no-build-isolation")
        command = ("-m", "pip", "wheel", "--quiet", *offline, "--wheel-dir", str(self.target))
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(self.time)}
        environment.pop("PYTHONPATH", None)
        run([sys.executable, *command, str(workshop / f"wcsd-{self.version}")], environment)

    def _locked(self, lock: str) -> str:
        """The wheel, by its hash, and everything that it runs on, by theirs."""
        digest = hashlib.sha256(self.wheel.read_bytes()).hexdigest()
        return (
            f"# wcsd {self.version} and everything it runs on. With the wheel beside this file:\n"
            f"#   python3 -m venv /opt/wcsd-{self.version}\n"
            f"#   /opt/wcsd-{self.version}/bin/pip install --require-hashes -r {self.requirements.name}\n"
            f"--find-links .\nwcsd=={self.version} \\\n    --hash=sha256:{digest}\n{lock}"
        )

    def files(self) -> list[Path]:
        """All but the sums."""
        deploy = (self.target / name for name in DEPLOY_FILES)
        return [self.wheel, self.requirements, self.source, self.notes, *deploy]

    def _write_sums(self) -> None:
        lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(self.files()))
        (self.target / SUMS).write_text("".join(lines))


def git(checkout: Path, *arguments: str) -> bytes:
    """The output of a git command."""
    return subprocess.run(["git", "-C", str(checkout), *arguments], check=True, capture_output=True).stdout


def run(command: list[str], environment: dict[str, str] | None = None, cwd: Path = Path("/")) -> str:
    """The output of a command. Raises NotReleasable with all of it if the command fails."""
    ended = subprocess.run(
        command, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if ended.returncode:
        raise NotReleasable(f"{' '.join(command)}: exit code {ended.returncode}\n{ended.stdout}")
    return ended.stdout
