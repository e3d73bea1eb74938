"""A REST server on real sockets, with a stream in it."""

from collections.abc import AsyncIterator

import pytest
import trio

from config.settings import Settings
from tests.support.web.rest_rig import BrokenWorld
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import app_of
from tests.support.web.web_server import Certificate, WebServer, make_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def world() -> StreamWorld:
    return StreamWorld([stream("m", "room")])


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
async def server(
    nursery: trio.Nursery,
    world: StreamWorld,
    settings: Settings,
    certificate: Certificate,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[WebServer]:
    """A running server; no client may make a connection or a request of it crash."""
    running = WebServer(app=app_of(world, settings), settings=settings, certificate=certificate)
    running.start(nursery)
    yield running
    await running.close_clients()
    crashes = [record.getMessage() for record in caplog.get_records("call") if "crashed" in record.getMessage()]
    assert crashes == (["request crashed"] if isinstance(world, BrokenWorld) else [])
