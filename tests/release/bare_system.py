"""The release on a bare Debian: the commands of docs/operating.md, as they stand there, then the service's own command.

Needs root and debootstrap. No systemd is in charge there, so a stand-in for `systemctl` does nothing.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bare.machine import Machine, bare_machine
from tests.release.artefacts import Release
from tests.release.changelog import NotReleasable

RELEASES = ("bookworm", "trixie")
CHAPTERS = ("Installing", "The service")
ANY_PORTS = " ".join(f"--set={key}=0" for key in ("ws.port", "wss.port", "http.port", "https.port", "media_port_from"))
USUAL_PACKAGES = "systemd procps ca-certificates"
"""What a server with Debian has, and the smallest one lacks."""
PREPARATION = f"""
apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends {USUAL_PACKAGES}
export DEBIAN_FRONTEND=noninteractive
printf 'APT::Get::Assume-Yes "true";\\n' >/etc/apt/apt.conf.d/01yes
printf '#!/bin/sh\\n' >/usr/local/bin/systemctl && chmod +x /usr/local/bin/systemctl
"""
PROOF = """
systemd-analyze verify --man=no /etc/systemd/system/wcsd.service
[ "$(stat -c %U:%a /var/lib/wcsd)" = wcsd:700 ]
command=$(sed -n s/^ExecStart=//p /etc/systemd/system/wcsd.service)
runuser -u wcsd -- $command >/tmp/ready &
server=$!
until grep -q '^wcsd ready ' /tmp/ready; do kill -0 $server; sleep 0.2; done
wcs show users | grep -q admin
wcs show apps | grep -q defaultApp
kill $(cat /proc/$server/task/$server/children)
wait $server
"""


def documented_commands(text: str, chapter: str) -> Iterator[str]:
    """The lines of a chapter that are commands."""
    found = re.search(rf"^### {chapter}\n(.*?)^##", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise NotReleasable(f"docs/operating.md has no chapter '{chapter}'")
    yield from re.findall(r"^ {4}(\S.*)$", found[1], re.MULTILINE)


def check_on_bare_system(release: Release, text: str, debian: str, folder: Path) -> str:
    """Do what `text`, docs/operating.md, says on a new system, which is removed again."""
    script = "\n".join(["set -eux", PREPARATION, "cd /srv/release", *_commands(release, text), PROOF])
    folder.mkdir(parents=True, exist_ok=True)
    with bare_machine(debian, "root", folder) as machine:
        shutil.copytree(release.target, machine.root / "srv/release")
        before = machine.packages()
        try:
            machine.run_as_root(script)
        except RuntimeError as error:
            raise NotReleasable(str(error)[-4000:]) from None
        return f"{machine.packages() - before} Debian packages, {_megabytes(machine)} MB in /opt"


def _commands(release: Release, text: str) -> Iterator[str]:
    for chapter in CHAPTERS:
        for command in documented_commands(text, chapter):
            line = command.replace("VERSION", release.version)
            if line == "wcsd --init":
                line += f" {ANY_PORTS} </dev/null"  # the network is the host's, and so are its ports
            yield f"{line} || [ $? = 1 ]" if "--doctor" in line else line  # 1: there are warnings


def _megabytes(machine: Machine) -> str:
    told = subprocess.run(["du", "-sm", machine.root / "opt"], check=True, capture_output=True, text=True).stdout
    return told.split()[0]
