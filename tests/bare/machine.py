"""A Debian system in a folder, with this machine's package configuration, a checkout, and nothing else."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

CHECKOUT = Path(__file__).resolve().parents[2]
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PLAIN_ID = 1000
ENTER = """
set -eu
root=$1 id=$2
shift 2
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
while [ "$1" != -- ]; do
    mkdir -p ".$1"
    mount --bind "$1" ".$1"
    shift
done
shift
mkdir -p .host
pivot_root . .host
umount -l /.host
cd /srv/wcsd
setpriv --reuid="$id" --regid="$id" --clear-groups "$@" &
trap 'kill -TERM $!' TERM
wait $! && exit 0 || ended=$?
[ "$ended" -lt 128 ] || { wait $! && exit 0 || exit $?; }
exit "$ended"
"""
"""The first process of the namespaces: it hands SIGTERM on, waits for all others, and ends as the command did."""


@frozen(kw_only=True)
class Machine:
    """A system at `root`; its commands run as `user`, which is root or plain, in its checkout."""

    name: str
    root: Path
    user: str

    @contextmanager
    def running(self, *command: str, as_root: bool = False) -> Iterator[subprocess.Popen[str]]:
        """The command, with its output and errors to be read as text; at the end it is waited for."""
        identity = 0 if as_root or self.user == "root" else PLAIN_ID
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private", "sh", "-c", ENTER]
        arguments = ["enter", str(self.root), str(identity), *map(str, _folders_of_packages()), "--", *command]
        with subprocess.Popen(
            [*unshare, *arguments],
            env=self._environment(identity),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        ) as process:
            yield process

    def run_as_root(self, script: str) -> str:
        """The output of a shell script. Raises if it fails."""
        with self.running("sh", "-c", script, as_root=True) as process:
            output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{self.name}: {script}: {output}")
        return output

    def packages(self) -> int:
        """How many Debian packages are installed."""
        status = (self.root / "var/lib/dpkg/status").read_text()
        return len(re.findall(r"^Status: install ok installed$", status, re.MULTILINE))

    def sizes(self) -> dict[str, int]:
        """Megabytes of the environments and of the whole system."""
        checkout = self.root / "srv/wcsd"
        made = {link.name: link.resolve() for link in sorted(checkout.glob(".venv*")) if link.is_symlink()}
        return {name: _megabytes(folder) for name, folder in {**made, "all": self.root}.items()}

    def _environment(self, identity: int) -> dict[str, str]:
        packages = re.compile(r"(?i)^(pip|npm|node_extra)_|cert|_ca_|cainfo|_proxy$")
        kept = {name: value for name, value in os.environ.items() if packages.search(name)}
        home = "/root" if identity == 0 else "/home/plain"
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {**kept, "HOME": home, "PATH": path, "LANG": "C.UTF-8"}


def terminate(process: subprocess.Popen[str]) -> None:
    """Tell the first process of the namespaces to end, which `unshare` has started."""
    (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)


@contextmanager
def bare_machine(release: str, user: str, folder: Path) -> Iterator[Machine]:
    """A new system for the time of the block."""
    machine = Machine(name=f"{release} {user}", root=folder / f"{release}-{user}", user=user)
    base = folder / release
    if not base.exists():
        _make_base(release, base)
    shutil.rmtree(machine.root, ignore_errors=True)
    subprocess.run(["cp", "-a", str(base), str(machine.root)], check=True)
    _configure_packages(machine.root)
    checkout = machine.root / "srv/wcsd"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(CHECKOUT), str(checkout)], check=True)
    _add_user(machine.root)
    if user != "root":
        subprocess.run(["chown", "-R", f"{PLAIN_ID}:{PLAIN_ID}", str(checkout)], check=True)
    try:
        yield machine
    finally:
        shutil.rmtree(machine.root)


def _make_base(release: str, base: Path) -> None:
    """One that is there is whole: what was left of an attempt that was broken off would pass for one."""
    unfinished = base.with_name(f"{release}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run(["debootstrap", "--variant=minbase", release, str(unfinished)], check=True)
    unfinished.rename(base)


def _add_user(root: Path) -> None:
    home = root / "home/plain"
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run(["chown", "-R", f"{PLAIN_ID}:{PLAIN_ID}", str(home)], check=True)
    for file, line in (
        ("passwd", f"plain:x:{PLAIN_ID}:{PLAIN_ID}::/home/plain:/bin/sh\n"),
        ("group", f"plain:x:{PLAIN_ID}:\n"),
    ):
        with (root / "etc" / file).open("a") as database:
            database.write(line)


def _configure_packages(root: Path) -> None:
    """Let apt, pip and npm reach what they reach here."""
    acquire = subprocess.run(["apt-config", "dump", "Acquire"], check=True, capture_output=True, text=True).stdout
    (root / "etc/apt/apt.conf.d/00host").write_text(acquire)
    names = ("etc/hosts", "etc/resolv.conf", "etc/pip.conf", "etc/npmrc", "root/.npmrc", "root/.config/pip/pip.conf")
    for name in names:
        _copy(Path("/", name), root / name)
        if name.startswith("root/"):
            _copy(Path("/", name), root / "home/plain" / Path(name).relative_to("root"))
    for path in _paths_of_packages():
        if path.is_file():
            _copy(path, root / path.relative_to("/"))
    # Once for now, and once for when the package ca-certificates puts its own in that place.
    for name in ("etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates/host.crt"):
        _copy(AUTHORITIES, root / name)


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _paths_of_packages() -> list[Path]:
    """Files and folders of this machine that pip's configuration names."""
    settings = subprocess.run(["pip", "config", "list"], check=True, capture_output=True, text=True).stdout
    return [path for path in map(Path, re.findall(r"(?<=[' =])(?:file://)?(/[^' ]+)", settings)) if path.exists()]


def _folders_of_packages() -> list[Path]:
    folders = {path for path in _paths_of_packages() if path.is_dir()}
    # The pages of an index that is a folder, by custom `simple`, name files that lie beside it.
    return sorted(path.parent if path.name == "simple" else path for path in folders)


def _megabytes(folder: Path) -> int:
    counted = subprocess.run(["du", "-sxm", str(folder)], check=True, capture_output=True, text=True)
    return int(counted.stdout.split()[0])
