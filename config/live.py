"""Settings that change while the server runs.

    live = Live(settings)
    part = Part(live.settings)      # reads `settings.name` when it needs it, and so gets the current value
    follow(settings, self._adopt)   # for what must be told: limits of other objects, things made from settings
    live.replace(changed)

`live.settings` reads like `Settings`, so a part does not know whether what it was given can change.
"""

from collections.abc import Callable
from typing import Any, cast

from config.settings import Settings

Follower = Callable[[Settings], None]


class Live:
    """The settings in force: `now`, which is replaced as a whole."""

    def __init__(self, settings: Settings) -> None:
        self.now = settings
        self.followers: list[Follower] = []
        self.settings = cast(Settings, _View(self))

    def replace(self, settings: Settings) -> None:
        """Put `settings` into force, and tell the followers. If one of them cannot follow, all return to the old."""
        before = self.now
        try:
            self._tell(settings)
        except Exception:
            self._tell(before)
            raise

    def _tell(self, settings: Settings) -> None:
        self.now = settings
        for follower in self.followers:
            follower(settings)


class _View:
    """Reads like the settings in force."""

    __slots__ = ("_live",)

    def __init__(self, live: Live) -> None:
        self._live = live

    def __getattr__(self, name: str) -> Any:
        return getattr(self._live.now, name)


def follow(settings: Settings, adopt: Follower) -> None:
    """Call `adopt` with the settings now and, if they can change, after every change; it must not wait.

    For parts that live as long as the server. What cannot be adopted raises, which undoes the change.
    """
    if isinstance(settings, _View):
        settings._live.followers.append(adopt)
        adopt(settings._live.now)
    else:
        adopt(settings)
