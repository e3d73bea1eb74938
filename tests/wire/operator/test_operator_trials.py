"""`wcs test app` against backends that answer, refuse, hang, or are not there."""

import json
import ssl
from pathlib import Path

import pytest
import trio
import trustme

from actors.hooks.trial import HookTrial, TrialFailed
from actors.operator.wcs.conversation import Exit
from config.apps import App
from config.settings import Settings
from protocol.hooks import HookMethod
from tests.support.hooks.backend import open_backend
from tests.support.hooks.behaviours import allow, deny, hang
from tests.support.network.ports import unused_port
from tests.support.operator.operator_console import Console, open_console


@pytest.fixture
async def console(nursery: trio.Nursery, tmp_path: Path) -> Console:
    return await open_console(nursery, tmp_path)


async def add_shop(console: Console, url: str, *methods: str) -> None:
    await console.done("add", "app", "-u", "me", "-p", "s3cret", "shop", "shopKey", url)
    await console.done("add", "app-rest-method", "shopKey", *(methods or ("ConnectionStatusEvent",)))


async def failure(console: Console, *words: str) -> str:
    process = await console.wcs("test", "app", "shop", *words)
    assert (process.returncode, process.stdout) == (Exit.REFUSED, b"")
    return process.stderr.decode()


async def test_a_backend_that_answers(console: Console) -> None:
    async with open_backend() as backend:
        backend.script("*", allow)
        await add_shop(console, backend.url)
        shown = await console.done("test", "app", "shop")
        assert [line.split()[0] for line in shown.splitlines()] == ["STEP", "name", "connection", "answer"]
        assert "127.0.0.1" in shown
        assert "without TLS" in shown
        assert "200 OK" in shown
        (call,) = backend.calls
        assert (call.method, call.headers["x-wcs-test"]) == ("ConnectionStatusEvent", "true")
        assert call.headers["authorization"].startswith("Basic ")
        assert call.body == {
            "nodeId": "node", "appKey": "shopKey", "sessionId": "wcs-test", "status": "DISCONNECTED", "test": True
        }  # fmt: skip
        told = await console.done("test", "app", "shopKey", "--method", "connect")
        assert told.splitlines()[-1] == "shop is not called by connect otherwise; see 'add app-rest-method'"
        assert backend.calls[1].method == "connect"
    assert "s3cret" not in "".join(console.audit)
    assert json.loads(console.audit[-1])["what"] == "test app"


async def test_answers_that_are_failures(console: Console) -> None:
    async with open_backend() as backend:
        backend.script("ConnectionStatusEvent", deny(status=404))
        backend.script("connect", deny(status=403))
        await add_shop(console, backend.url, "connect", "ConnectionStatusEvent")
        told = await failure(console)
        assert told.startswith(f"wcs: {backend.url}/ConnectionStatusEvent: answer: 404 Not Found\nname: 127.0.0.1 (")
        shown = await console.done("test", "app", "shop", "--method=connect")
        assert "403 Forbidden: the backend turns this client away" in shown


async def test_a_backend_that_is_not_there(console: Console) -> None:
    port = unused_port()
    await add_shop(console, f"http://127.0.0.1:{port}/hooks")
    assert f"connection: 127.0.0.1 port {port}: Connection refused" in await failure(console)
    await console.done("update", "app", "shop", "http://no-such-host.invalid/hooks")
    assert "/ConnectionStatusEvent: name: " in await failure(console)


async def test_a_certificate_that_is_not_trusted(console: Console) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with open_backend(tls=context) as backend:
        await add_shop(console, backend.url)
        told = await failure(console)
    assert "tls: TLS: CERTIFICATE_VERIFY_FAILED; see rest_ca_file" in told


async def test_the_backend_that_is_built_in_and_mistakes(console: Console) -> None:
    assert "built in" in await console.done("test", "app", "defaultApp")
    process = await console.wcs("test", "app", "defualtApp")
    assert process.stderr == b"wcs: unknown application 'defualtApp' (did you mean 'defaultApp'?)\n"
    process = await console.wcs("test", "app", "defaultApp", "--method", "playStream")
    assert process.returncode == Exit.USAGE


async def test_a_backend_that_hangs() -> None:
    async with open_backend() as backend:
        backend.script("*", hang)
        app = App(name="shop", key="shop", url=backend.url)
        settings = Settings(rest_request_timeout=0.2)
        trial = HookTrial(app=app, method=HookMethod.CONNECT, settings=settings, node_id="node")
        with pytest.raises(TrialFailed, match=r"nothing within 0\.2 s"):
            await trial.run()
