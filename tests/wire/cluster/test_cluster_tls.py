"""Redis by TLS: a private authority is trusted if a setting names it, and a certificate for another name is refused."""

import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme

from actors.cluster.registry.link import ClusterLink
from actors.cluster.registry.registry import RegistryUnavailable
from actors.runtime.actor import SHUTDOWN
from protocol.cluster.redis_url import parse_redis_url
from tests.support.cluster.two_nodes import cluster_of
from tests.support.network.ports import unused_port
from tests.support.redis.link_echo import echo
from tests.support.redis.redis_server import POLL, REDIS_SERVER
from tests.support.redis.redis_tls import AUTHORITIES, tls_options
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import PATIENCE


@asynccontextmanager
async def tls_redis(folder: Path, authority: trustme.CA, name: str) -> AsyncIterator[str]:
    """Where a Redis is that takes TLS alone, with a certificate for this name."""
    port = unused_port()
    listening = {"port": "0", "tls-port": str(port), "bind": "127.0.0.1", "save": "", "dir": str(folder)}
    options = {**listening, **tls_options(folder, authority, name)}
    process = _spawn(folder, [word for option, value in options.items() for word in (f"--{option}", value)])
    try:
        with trio.fail_after(PATIENCE):
            while not await _accepts(port):  # noqa: ASYNC110 - it tells no one
                await trio.sleep(POLL)
        yield f"rediss://localhost:{port}"
    finally:
        process.kill()
        process.wait()


def _spawn(folder: Path, options: list[str]) -> "subprocess.Popen[bytes]":
    with (folder / "redis.log").open("ab") as log:
        return subprocess.Popen([REDIS_SERVER, *options], stdout=log)


async def _accepts(port: int) -> bool:
    try:
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


async def test_a_node_joins_by_tls_where_it_is_told_whom_to_trust(tmp_path: Path) -> None:
    async with tls_redis(tmp_path, trustme.CA(), "localhost") as url:
        settings = {"cluster_redis_url": parse_redis_url(url), "cluster_redis_ca_file": tmp_path / AUTHORITIES}
        async with full_server(tmp_path, **settings) as server:
            cluster = cluster_of(server)
            assert cluster.membership.is_up
            with trio.fail_after(PATIENCE):
                await cluster.hearing.opened.wait()


@pytest.mark.parametrize(
    ("name", "is_trusted", "why"),
    [
        ("redis.example", True, "Hostname mismatch, certificate is not valid for 'localhost'"),
        ("localhost", False, "self-signed certificate in certificate chain"),
    ],
)
@pytest.mark.parametrize("is_sentinel", [False, True], ids=["redis", "sentinel"])
async def test_one_that_is_not_to_be_trusted_is_refused(
    tmp_path: Path, name: str, is_trusted: bool, why: str, is_sentinel: bool
) -> None:
    async with tls_redis(tmp_path, trustme.CA(), name) as url, trio.open_nursery() as nursery:
        trusted = ssl.create_default_context(cafile=tmp_path / AUTHORITIES if is_trusted else None)
        where = url.replace("rediss:", "rediss+sentinel:") + "/wcs" if is_sentinel else url
        link = ClusterLink(parse_redis_url(where), timeout=PATIENCE, tls=trusted)
        nursery.start_soon(link.run)
        with pytest.raises(RegistryUnavailable) as told:
            await echo(link)
        link.stop(SHUTDOWN)
        assert f"the certificate of Redis is not trusted: {why}" in str(told.value)
