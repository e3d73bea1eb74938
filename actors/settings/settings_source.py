"""Where the settings come from: a file and the command line. Read at the start, and again at each reload."""

from pathlib import Path

from attrs import frozen

from actors.settings.start_checks import StartChecks
from actors.storage.account_store import read_account_file, utc_day
from actors.storage.default_paths import default_config_file
from actors.storage.state_folder import StateFolder
from config.loading import LoadedSettings, SettingsError, load_settings
from config.rest_auth import exposure_faults
from config.settings import Settings

MAX_FILE_SIZE = 16 * 1024 * 1024
"""Bytes; a longer file cannot be a settings file."""


@frozen(kw_only=True)
class CheckedSettings:
    """Settings that a server can start with, and all warnings."""

    loaded: LoadedSettings
    warnings: tuple[str, ...]


@frozen(kw_only=True)
class SettingsSource:
    """The file (None: the default one, if it exists), the `--set` overrides, and the state folder."""

    file: Path | None
    overrides: tuple[str, ...]
    state: Path

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.file or default_config_file()

    def load(self) -> LoadedSettings:
        """Read the settings. Raises SettingsError with every fault."""
        text = _read(self.path, needed=self.file is not None)
        return load_settings(text, file_name=str(self.path), overrides=self.overrides)

    def check(self, loaded: LoadedSettings, *, with_ports: bool = False) -> CheckedSettings:
        """Look for what would prevent a start; `with_ports`: other programs too. Raises SettingsError."""
        checks = StartChecks(loaded, self.state)
        if with_ports and not checks.faults:
            checks.check_ports()
        warnings = (*loaded.warnings, *checks.warnings)
        if checks.faults:
            raise SettingsError(checks.faults, warnings)
        return CheckedSettings(loaded=loaded, warnings=warnings)

    def exposure(self, settings: Settings) -> tuple[str, ...]:
        """Why a running server must not go on with `settings`: REST would be open to strangers."""
        has_accounts = read_account_file(StateFolder(self.state).accounts_path).has_credentials(utc_day())
        return tuple(f"{key}: {message}" for key, message in exposure_faults(settings, has_accounts=has_accounts))


def _read(path: Path, *, needed: bool) -> str | None:
    """The text of the settings file; None if there is none and none was named."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_SIZE + 1)
    except FileNotFoundError:
        if not needed:
            return None
        raise SettingsError([f"{path}: there is no such file"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
    if len(content) > MAX_FILE_SIZE:
        raise SettingsError([f"{path}: is longer than {MAX_FILE_SIZE} bytes"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError([f"{path}:{line}: is not UTF-8; write other characters as \\uXXXX"]) from None
