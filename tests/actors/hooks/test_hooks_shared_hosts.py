"""Which backend hosts several applications call: there none may have all connections."""

from attrs import evolve

from actors.hooks.dispatcher import SharedHosts
from config.apps import ECHO_APP_URL, App
from tests.support.hooks.hook_rig import APP


def test_a_host_is_shared_if_two_applications_call_it_whatever_the_path() -> None:
    apps = (APP, evolve(APP, name="b", key="b", url="http://backend.test:80/other"))
    shared = SharedHosts(lambda: apps)
    assert shared(("http", "backend.test", 80))
    assert not shared(("https", "backend.test", 443))


def test_a_change_of_the_applications_holds_at_once() -> None:
    apps: list[tuple[App, ...]] = [(APP,)]
    shared = SharedHosts(lambda: apps[-1])
    assert not shared(("http", "backend.test", 80))
    apps.append((APP, evolve(APP, name="b", key="b")))
    assert shared(("http", "backend.test", 80))
    apps.append((APP, evolve(APP, name="b", key="b", url="http://other.test/")))
    assert not shared(("http", "backend.test", 80))


def test_the_built_in_backend_is_no_host() -> None:
    apps = (evolve(APP, url=ECHO_APP_URL), evolve(APP, name="b", key="b", url="http://localhost:8081/mine"))
    assert not SharedHosts(lambda: apps)(("http", "localhost", 8081))
