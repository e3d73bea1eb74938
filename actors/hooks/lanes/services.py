"""What lanes and keep-alive slots need from their dispatcher."""

from collections.abc import Callable
from typing import Any, Protocol

from actors.hooks.kept.spool import Spool
from actors.hooks.lanes.backlog import Backlog
from actors.hooks.sender import HookSender
from config.apps import App
from config.settings import Settings


class LaneServices(Protocol):
    """The dispatcher, as its lanes see it."""

    @property
    def settings(self) -> Settings: ...
    @property
    def sender(self) -> HookSender: ...
    @property
    def spool(self) -> Spool:
        """Where notifications are kept that cannot be delivered."""

    @property
    def backlog(self) -> Backlog: ...
    @property
    def is_open(self) -> bool:
        """Whether calls can still be made."""

    def current_app(self, app: App) -> App:
        """The application in its current state: operators may change it during a session."""

    def wall_clock(self) -> float:
        """Seconds since the epoch."""

    def spawn(self, run: Callable[[], Any]) -> None:
        """Start a task that runs an async function, which must not raise."""
