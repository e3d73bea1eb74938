"""A reload by REST, which is for all nodes of the machine."""

import os
import signal
from collections.abc import Callable

from actors.settings.reload import ReloadReport
from actors.web.api.server.administration import Reload


class HostReload:
    """This node first, which finds what is wrong. Then the parent has all nodes read the settings, as for SIGHUP."""

    def __init__(self, reload: Reload, *, parent: Callable[[], int] = os.getppid) -> None:
        self._reload, self._parent = reload, parent
        self._known_parent = parent()

    async def __call__(self, *, by: str, check_only: bool) -> ReloadReport:
        """What has changed on this node. Raises SettingsError: nothing has changed then, on any."""
        report = await self._reload(by=by, check_only=check_only)
        if not check_only and self._parent() == self._known_parent:  # not who adopts us after its death
            os.kill(self._known_parent, signal.SIGHUP)
        return report
