"""Recordings by a whole server: what is recorded, and its file."""

from pathlib import Path
from typing import Any

import httpx
import trio

from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import ClientStream

RECORDS = "/client/records/"
FREE: dict[str, Any] = {"records_min_free": 0}


async def fetched(server: FullServer, folder: Path, name: str, **headers: str) -> httpx.Response:
    """A file, as soon as it is there; `folder` is the server's."""
    with trio.fail_after(60):
        while not await trio.Path(folder / "state" / "records" / name).exists():  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.02)
    return await server.rest.get(RECORDS + name, headers=headers)


async def show(stream: ClientStream, playback: ClientStream, picture: bytes = b"picture") -> None:
    """Publish a picture, and wait until it has come to the player, and so to the recorder."""
    stream.send_key_frame(picture)
    await playback.until_media(lambda packet: packet.payload.endswith(picture))
