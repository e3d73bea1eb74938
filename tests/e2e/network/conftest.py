"""Browsers on one machine and the server on another: in two network namespaces, joined by a cable.

Firefox goes to no loopback address, and believes no answer that names one. So it gets a network where none is needed.
The server's machine has an address of its own, and others at which tests put what stands in between.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from attrs import frozen
from playwright.sync_api import Browser

from tests.support.browsers.chromium import CHROMIUM, FLAGS
from tests.support.browsers.firefox import Firefox, running_firefox
from tests.support.browsers.sdk_page import PATIENCE
from tests.support.browsers.site import serving_site
from tests.support.browsers.tabs import Tabs
from tests.support.network import plain_http
from tests.support.network.nat import Nat, PutInBetween, RunningNat, nat_in_thread
from tests.support.network.network_namespace import Namespace, linked_namespaces
from tests.support.servers.server_process import ServerProcess, running_server

SERVER = {4: "10.77.0.1", 6: "fd77::1"}
"""By the version of IP."""
IN_BETWEEN = ("10.77.1.1", "10.77.2.1", "fd77:1::1")
CLIENTS = {4: "10.77.0.2", 6: "fd77::2"}


@frozen
class Network:
    """Both machines. A test that asks the server something itself has to enter `home`."""

    home: Namespace
    """Of the server."""
    away: Namespace
    """Of the browsers."""


@pytest.fixture(scope="package")
def network() -> Iterator[Network]:
    with linked_namespaces(_with_prefix(*SERVER.values(), *IN_BETWEEN), _with_prefix(*CLIENTS.values())) as ends:
        network = Network(*ends)
        for gateway in SERVER.values():
            network.away.route_all_by(gateway)  # browsers look for their own address by their way into the internet
        yield network


@pytest.fixture(scope="package")
def site(network: Network) -> Iterator[str]:
    """The address of the site on the browsers' own machine: pages of loopback may use a camera without TLS."""
    with ExitStack() as stack:
        with network.away.entered():
            address = stack.enter_context(serving_site())
        yield address


@pytest.fixture(scope="package")
def browser(browser: Browser, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Another Chromium; the program that starts it is where the first one is."""
    program = tmp_path_factory.mktemp("chromium") / "chromium"
    program.write_text(f'#!/bin/sh\nexec nsenter --net={network.away.path} {CHROMIUM} "$@"\n')
    program.chmod(0o755)
    away = browser.browser_type.launch(executable_path=program, headless=True, args=FLAGS, timeout=PATIENCE)
    try:
        yield away
    finally:
        away.close()


@pytest.fixture(scope="package")
def tabs(browser: Browser, site: str) -> Tabs:
    return Tabs(browser, site)


@pytest.fixture(scope="package")
def firefox(network: Network) -> Iterator[Firefox]:
    with ExitStack() as stack:
        with network.away.entered():
            firefox = stack.enter_context(running_firefox("node"))
        yield firefox


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, network: Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server for the module, with its `SETTINGS`."""
    with ExitStack() as stack:
        with network.home.entered():
            server = stack.enter_context(running_server(tmp_path_factory.mktemp("server"), request.module.SETTINGS))
        yield server


@pytest.fixture
def ws_url(request: pytest.FixtureRequest, server: ServerProcess) -> str:
    """The server's, over the module's `IP` version."""
    return server.ws_url(SERVER[request.module.IP])


@pytest.fixture
def emptied_server(network: Network, server: ServerProcess) -> Iterator[None]:
    yield
    with network.home.entered():
        server.wait_until_empty()


@pytest.fixture
def moves(network: Network, server: ServerProcess) -> Callable[[], int]:
    """How often media went on by another path, by the server's statistics."""

    def count() -> int:
        with network.home.entered():
            found = re.search(r"^moved=(\d+)", plain_http.get(server.http_url("/?action=stat")).text, re.MULTILINE)
        assert found
        return int(found[1])

    return count


@pytest.fixture
def put_in_between(network: Network, server: ServerProcess) -> Iterator[PutInBetween]:
    """Puts a NAT in front of the server."""
    port = server.media_port
    with ExitStack() as stack:

        def put(address: str, *, delay: float = 0.0) -> RunningNat:
            local = SERVER[6 if ":" in address else 4]
            with network.home.entered():
                nat = Nat((address, port), server=(local, port), outside=address, delay=delay)
                return stack.enter_context(nat_in_thread(nat))

        yield put


def _with_prefix(*addresses: str) -> list[str]:
    """As `ip address add` wants them."""
    return [f"{address}/{64 if ':' in address else 24}" for address in addresses]
