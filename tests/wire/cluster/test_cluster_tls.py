"""Redis by TLS: a private authority is trusted if a setting names it, and a certificate for another name is refused."""

import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme

from actors.cluster.link import ClusterLink
from actors.cluster.registry import RegistryUnavailable
from actors.runtime.actor import SHUTDOWN
from protocol.cluster.redis_url import parse_redis_url
from tests.support.full_server import full_server
from tests.support.ports import unused_port
from tests.support.redis_server import POLL
from tests.support.two_nodes import cluster_of
from tests.support.wcs_client import PATIENCE
from tests.wire.cluster.test_cluster_link import echo


@asynccontextmanager
async def tls_redis(folder: Path, authority: trustme.CA, name: str) -> AsyncIterator[str]:
    """Where a redis-server is that takes TLS alone, with a certificate for this name."""
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(folder / "redis.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    port = unused_port()
    pem, authorities = str(folder / "redis.pem"), str(folder / "ca.pem")
    tls = ["--tls-cert-file", pem, "--tls-key-file", pem, "--tls-ca-cert-file", authorities, "--tls-auth-clients", "no"]
    options = ["--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *tls]
    process = _spawn(folder, options)
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
        return subprocess.Popen(["redis-server", *options], stdout=log)


async def _accepts(port: int) -> bool:
    try:
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


async def test_a_node_joins_by_tls_where_it_is_told_whom_to_trust(tmp_path: Path) -> None:
    async with tls_redis(tmp_path, trustme.CA(), "localhost") as url:
        settings = {"cluster_redis_url": parse_redis_url(url), "cluster_redis_ca_file": tmp_path / "ca.pem"}
        async with full_server(tmp_path, **settings) as server:
            cluster = cluster_of(server)
            assert cluster.membership.is_up
            with trio.fail_after(PATIENCE):
                await cluster._listening.wait()


@pytest.mark.parametrize(
    ("name", "is_trusted", "why"),
    [
        ("redis.example", True, "Hostname mismatch, certificate is not valid for 'localhost'"),
        ("localhost", False, "self-signed certificate in certificate chain"),
    ],
)
async def test_one_that_is_not_to_be_trusted_is_refused(tmp_path: Path, name: str, is_trusted: bool, why: str) -> None:
    async with tls_redis(tmp_path, trustme.CA(), name) as url, trio.open_nursery() as nursery:
        trusted = ssl.create_default_context(cafile=tmp_path / "ca.pem" if is_trusted else None)
        link = ClusterLink(parse_redis_url(url), timeout=PATIENCE, tls=trusted)
        nursery.start_soon(link.run)
        with pytest.raises(RegistryUnavailable) as told:
            await echo(link)
        link.stop(SHUTDOWN)
        assert str(told.value).startswith("the certificate of Redis is not trusted: ")
        assert why in str(told.value)
