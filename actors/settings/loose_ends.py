"""What settings name and is not there: the server starts without it, and an operator would wonder later.

Whether this user may look comes first: methods of `Path` raise PermissionError in folders that are closed to it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from config.apps import AppTable
from config.loading import DEFAULT, LoadedSettings
from protocol.common.suggestions import did_you_mean
from protocol.hooks.methods import HookMethod

_ENABLED: Final = "keep_alive_streaming_sessions_enabled"
_ASKED: Final = "streaming_sessions_keep_alive_app_keys"


@frozen
class LooseEnds:
    """Lines for the operator, each with the place where the setting was given. Defaults are none of their doing.

    Which applications a cluster has is known when the node has joined: nothing is said of them on one.
    """

    loaded: LoadedSettings
    apps: AppTable

    def __iter__(self) -> Iterator[str]:
        of_apps = (*self._applications(), *self._keep_alive()) if self._is_alone else ()
        for key, message in (*of_apps, *self._folders(), *self._files()):
            if self.loaded.given[key].origin != DEFAULT:
                yield self.loaded.told_of(key, message)

    @property
    def _is_alone(self) -> bool:
        return self.loaded.settings.cluster_redis_url is None

    def _applications(self) -> Iterator[tuple[str, str]]:
        settings = self.loaded.settings
        known = {app.key for app in self.apps.apps}
        for key, wanted in (
            (_ASKED, settings.streaming_sessions_keep_alive_app_keys),
            ("record_streams_app_keys", settings.record_streams_app_keys),
            ("whip.app", (settings.whip_app,)),
            ("capture.app", (settings.capture_app,)),
        ):
            for app_key in wanted:
                if app_key and app_key not in known:
                    yield key, f"no application has the key {app_key!r}{did_you_mean(app_key, known)}"

    def _keep_alive(self) -> Iterator[tuple[str, str]]:
        """Three switches, of which one is easily forgotten."""
        settings = self.loaded.settings
        if not settings.keep_alive_streaming_sessions_enabled:
            return
        asked = settings.streaming_sessions_keep_alive_app_keys
        if not asked:
            yield _ENABLED, f"no stream is asked about, for {_ASKED} is empty"
        method = HookMethod.STREAM_KEEP_ALIVE_EVENT
        for app in self.apps.apps:
            if app.key in asked and method not in app.methods:
                remedy = f"`wcs add app-rest-method {app.key} {method}`"
                yield _ASKED, f"the application {app.key!r} is not asked, for it has no method {method}: {remedy}"

    def _folders(self) -> Iterator[tuple[str, str]]:
        settings = self.loaded.settings
        for key, folder in (
            ("push.sounds_folder", settings.push_sounds_folder),
            ("capture.vod_folder", settings.capture_vod_folder),
        ):
            if folder is not None and not (os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()):
                yield key, f"'{folder}' is no folder that this user may read"
        audit = settings.audit_file
        if audit is not None and not _may_be_appended_to(audit):
            yield "audit.file", f"'{audit}' is no file that this user may write to, or make in its folder"

    def _files(self) -> Iterator[tuple[str, str]]:
        accounts = self.loaded.settings.sip_accounts_file
        if accounts is not None and not (os.access(accounts, os.R_OK) and accounts.is_file()):
            yield "sip.accounts_file", f"'{accounts}' is no file that this user may read"


def _may_be_appended_to(path: Path) -> bool:
    if os.path.lexists(path):
        return os.access(path, os.W_OK) and path.is_file()
    return os.access(path.parent, os.W_OK | os.X_OK) and path.parent.is_dir()
