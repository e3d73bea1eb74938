"""OpenSSH's client, as people use it."""

import os
from pathlib import Path
from subprocess import CompletedProcess

import trio
from attrs import frozen

from tests.support.session.wcs_client import PATIENCE


@frozen(kw_only=True)
class SshClient:
    """The program `ssh` for one server. `folder` holds its key, and what it knows of the server."""

    folder: Path
    port: int

    @property
    def public_key(self) -> str:
        return (self.folder / "id_ed25519.pub").read_text()

    async def make_key(self) -> None:
        """A key to log in by."""
        path = str(self.folder / "id_ed25519")
        await trio.run_process(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path])

    def command(self, *words: str, user: str, by_key: bool = False, options: tuple[str, ...] = ()) -> list[str]:
        """How it is called. Nothing of this machine's own settings and keys is used."""
        methods = "publickey" if by_key else "password"
        settings = [
            f"UserKnownHostsFile={self.folder / 'known_hosts'}",
            "StrictHostKeyChecking=accept-new",
            f"IdentityFile={self.folder / 'id_ed25519'}",
            "IdentitiesOnly=yes",
            f"PreferredAuthentications={methods}",
            "NumberOfPasswordPrompts=1",
            "LogLevel=ERROR",
        ]
        given = [part for setting in settings for part in ("-o", setting)]
        return ["ssh", "-F", "none", "-p", str(self.port), *given, *options, f"{user}@127.0.0.1", *words]

    def environment(self, password: str) -> dict[str, str]:
        """In which ssh asks a program for the password, and nobody else."""
        asker = self.folder / "askpass"
        if not asker.exists():
            asker.write_text('#!/bin/sh\nprintf "%s\\n" "$PASSWORD"\n')
            asker.chmod(0o700)
        return {"SSH_ASKPASS": str(asker), "SSH_ASKPASS_REQUIRE": "force", "PASSWORD": password, "TERM": "xterm"}

    async def run(
        self,
        *words: str,
        user: str = "alice",
        password: str = "",
        stdin: str = "",
        options: tuple[str, ...] = (),
    ) -> "CompletedProcess[bytes]":
        """Run a command there; by key, unless there is a password."""
        with trio.fail_after(PATIENCE):
            return await trio.run_process(
                self.command(*words, user=user, by_key=not password, options=options),
                stdin=stdin.encode(),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                env={**os.environ, **self.environment(password)},
            )
