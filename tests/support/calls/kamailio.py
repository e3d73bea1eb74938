"""A real Kamailio on loopback: a registrar with a password, and a proxy that stays in the way of calls.

with kamailio(folder) as port:                       # by UDP
with kamailio_by_tls(folder, pem, ...) as server:    # by UDP and TLS, a port for each certificate
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.support.network.ports import unused_port

PASSWORD = "secret"
_CONFIG = """
debug=1
log_stderror=yes
children=1
tcp_children=1
{transports}
auto_aliases=no
shm_mem_size=32
listen=udp:127.0.0.1:{port}
mpath="{modules}"
{tls}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
request_route {{
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("127.0.0.1", "{password}", "0")) {{
            www_challenge("127.0.0.1", "1");
            exit;
        }}
        save("location");
        exit;
    }}
    if (has_totag()) {{
        loose_route();
        t_relay();
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (is_method("INVITE")) record_route();
    if (!lookup("location")) {{
        sl_send_reply("404", "Not Found");
        exit;
    }}
    t_relay();
}}
"""


_TLS = """
#!ifdef KAMAILIO_6
tls_threads_mode=2
#!endif
loadmodule "tls.so"
modparam("tls", "config", "{config}")
"""
"""Version 6 shares OpenSSL 3 between its processes only if it is told to."""
_TLS_PORT = """
[server:{place}]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
certificate = {pem}
private_key = {pem}
"""


@frozen(kw_only=True)
class SecuredKamailio:
    """Its ports: that of UDP, and those of TLS in the order of their certificates."""

    udp: int
    tls: tuple[int, ...]


@contextmanager
def kamailio(folder: Path, password: str = PASSWORD) -> Iterator[int]:
    """The port of one that starts; SIP waits for it by itself. `password` is everybody's."""
    port = unused_port()
    with _running(folder, port=port, password=password, transports="disable_tcp=yes", tls=""):
        yield port


@contextmanager
def kamailio_by_tls(folder: Path, *certificates: Path) -> Iterator[SecuredKamailio]:
    """One that starts, with these certificates and their keys; TLS does not wait for it."""
    ports = SecuredKamailio(udp=unused_port(), tls=tuple(unused_port() for _ in certificates))
    domains = folder / "tls.cfg"
    places = ["default", *(f"127.0.0.1:{port}" for port in ports.tls)]
    pairs = zip(places, (certificates[0], *certificates), strict=True)
    domains.write_text("".join(_TLS_PORT.format(place=place, pem=pem) for place, pem in pairs))
    transports = "\n".join(["enable_tls=yes", *(f"listen=tls:127.0.0.1:{port}" for port in ports.tls)])
    tls = _TLS.format(config=domains)
    with _running(folder, port=ports.udp, password=PASSWORD, transports=transports, tls=tls):
        yield ports


@contextmanager
def _running(folder: Path, **settings: object) -> Iterator[None]:
    (modules,) = Path("/usr/lib").glob("*/kamailio/modules")
    config = folder / "kamailio.cfg"
    config.write_text(_CONFIG.format(modules=modules, **settings))
    options = ["-f", str(config), "-DD", "-E", "-Y", str(folder), "-P", str(folder / "kamailio.pid")]
    with (folder / "kamailio.log").open("wb") as log:
        process = subprocess.Popen([_program(), *options], stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            _stop(process)


def _program() -> str:
    """Debian has it where plain users do not look."""
    found = shutil.which("kamailio", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert found is not None, "kamailio is not installed"
    return found


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End it and its children, also when it does not end them itself."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
