"""`wcsd --init`: a settings file, a unit with what belongs to it, and a first user. What is there already is kept."""

import getpass
import os
import pwd
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio
from attrs import define, field

from actors.access.password_hash import PasswordHashing
from actors.storage.account_store import read_account_file
from actors.storage.atomic_write import write_durably
from actors.storage.default_paths import default_config_file, program_and_documents
from actors.storage.state_folder import StateFolder, StateFolderError
from actors.storage.table_store import TableStoreError
from config.loading import LoadedSettings
from config.render import chosen_file
from config.service_unit import Installation, UnitError, fitted_unit
from config.tables.accounts_file import write_accounts
from protocol.access.accounts import AccountError, AccountTable, User, check_name, check_password
from protocol.access.roles import Role

DEPLOY: Final = Path(__file__).resolve().parents[2] / "config/deploy"
UNIT: Final = Path("/etc/systemd/system/wcsd.service")
SERVICE_USER: Final = "wcsd"
FIRST_USER: Final = "admin"
FIRST_LOGIN: Final = "first-password"
"""The file, in the state folder, of a password that nobody has chosen or seen."""
PASSWORD_BYTES: Final = 18
MADE_IN_STATE: Final = ("lock", "users.toml", FIRST_LOGIN)
"""By this program, as root; nothing else there is touched."""


class NotMade(Exception):
    """Something that a first start needs cannot be made; the text says why, and what to do."""


@define(kw_only=True)
class FirstStart:
    """Makes the files below `root`. `config`: the settings file, None for the default one; `state`: the folder."""

    root: Path
    config: Path | None
    state: Path
    loaded: LoadedSettings
    _is_complete: bool = field(init=False, default=True)

    def set_up(self) -> int:
        """Make what is missing, and tell of each. The exit code: 1 if something could not be made."""
        self._make(self.config or default_config_file(), chosen_file(self.loaded.given))
        with self._telling(str(self._below(UNIT))):
            self._make(UNIT, self._unit())
        self._make(Path("/etc/sysusers.d/wcsd.conf"), (DEPLOY / "sysusers.conf").read_text())
        self._make(Path("/etc/sysctl.d/60-wcsd.conf"), (DEPLOY / "sysctl.conf").read_text())
        state = self._below(self.state)
        with self._telling("first user"):
            self._make_user(state)
        with self._telling(str(state)):
            self._hand_over(state)
        self._tell_next_steps()
        return 0 if self._is_complete else 1

    def _below(self, path: Path) -> Path:
        return self.root / path.relative_to("/")

    def _make(self, path: Path, text: str) -> None:
        path = self._below(path)
        with self._telling(str(path)):
            if path.exists():
                print(f"kept      {path}: it is there already")
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, text.encode())
            path.chmod(0o644)
            print(f"made      {path}")

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """An error is one line, and the rest goes on."""
        try:
            yield
        except (NotMade, OSError, UnitError, StateFolderError, TableStoreError, AccountError) as error:
            self._is_complete = False
            reason = error.strerror if isinstance(error, OSError) else str(error)
            remedy = "; run this as root" if isinstance(error, PermissionError) else ""
            print(f"NOT made  {what}: {reason}{remedy}")

    def _unit(self) -> str:
        program, documents = program_and_documents()
        config = None if self.config in (None, default_config_file()) else self.config
        installation = Installation(program=program, documents=documents, config=config, state=self.state)
        return fitted_unit((DEPLOY / "wcsd.service").read_text(), installation, self.loaded.settings)

    # -- the first user ----------------------------------------------------------------------------

    def _make_user(self, state: Path) -> None:
        with StateFolder(state) as folder:
            table = read_account_file(folder.accounts_path)
            if table.users or table.tokens:
                print(f"kept      {folder.accounts_path}: it has users or tokens already")
                return
            name, password = _ask() if sys.stdin.isatty() else (FIRST_USER, None)
            if password is None:
                password = secrets.token_urlsafe(PASSWORD_BYTES)
                secret = folder.path / FIRST_LOGIN
                write_durably(secret, f"{password}\n".encode())
                print(f"made      {secret}: the password of {name}; remove it after 'wcs passwd {name}'")
            made = trio.run(PasswordHashing().hash, password)
            user = User(name=name, password_hash=made, role=Role.ADMIN)
            write_durably(folder.accounts_path, write_accounts(AccountTable(users=(user,))).encode())
            print(f"made      user {name}, role {user.role}; callers of REST must log in")

    def _hand_over(self, state: Path) -> None:
        """Give the state folder to the service's user, if there is one."""
        if os.geteuid() != 0 or self.root != Path("/") or not state.is_dir():
            return
        try:
            owner = pwd.getpwnam(SERVICE_USER)
        except KeyError:
            return
        for path in (state, *(state / name for name in MADE_IN_STATE)):
            if path.exists():
                os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)

    def _tell_next_steps(self) -> None:
        program, _ = program_and_documents()
        options = "" if self.config is None else f"--config={self.config} "
        print(
            f"\nNext, as root{'' if self.root == Path('/') else ' of that system'}:\n"
            "    systemd-sysusers && sysctl --system && systemctl daemon-reload\n"
            f"    chown -R {SERVICE_USER}:{SERVICE_USER} {self.state}\n"
            f"    runuser -u {SERVICE_USER} -- {program} {options}--state={self.state} --doctor\n"
            "    systemctl enable --now wcsd"
        )


def _ask() -> tuple[str, str | None]:
    """Name and password of the first user, from the person at the terminal; None: a random one. Raises NotMade."""
    try:
        name = check_name(input(f"Name of the first user [{FIRST_USER}]: ").strip() or FIRST_USER)
        password = getpass.getpass("Password (empty: a random one): ")
        if not password:
            return name, None
        if getpass.getpass("Again: ") != password:
            raise NotMade("the passwords differ; run this again")
        return name, check_password(password)
    except (EOFError, KeyboardInterrupt):
        raise NotMade("nobody answered; run this again, or 'wcs add user NAME --role admin' later") from None
