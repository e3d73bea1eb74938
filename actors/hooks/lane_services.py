"""What lanes and keep-alive slots need of their dispatcher."""

from collections.abc import Callable
from typing import Any, Protocol

from actors.hooks.backlog import Backlog
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
    def backlog(self) -> Backlog: ...
    @property
    def is_open(self) -> bool:
        """Whether calls can still be made."""

    def current_app(self, app: App) -> App:
        """The application as it is now: operators change them while sessions last."""

    def spawn(self, run: Callable[[], Any]) -> None:
        """Begin a task in which an async function runs; it must not raise."""
