"""A server with a backend, and a client of WHIP and WHEP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from config.apps import USUAL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from tests.support.hooks.backend import ScriptedBackend, open_backend
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE
from tests.support.web.whip_client import WhipClient, whip_client


@frozen(kw_only=True)
class Scene:
    """A server with a backend, and a client."""

    server: FullServer
    backend: ScriptedBackend
    client: WhipClient

    async def hooks(self, method: str, *, count: int = 1) -> list[Any]:
        """The bodies of so many calls."""
        with trio.fail_after(PATIENCE):
            return [call.body for call in await self.backend.wait_for(method, count=count)]


@asynccontextmanager
async def scene(folder: Path, **settings: Any) -> AsyncIterator[Scene]:
    async with open_backend() as backend:
        (folder / "state").mkdir()
        app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=frozenset(USUAL_METHODS))
        (folder / "state" / "apps.toml").write_text(write_apps(AppTable((app,))))
        async with full_server(folder, **settings) as server, whip_client(server) as client:
            yield Scene(server=server, backend=backend, client=client)
