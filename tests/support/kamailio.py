"""A real Kamailio on loopback: a registrar with a password, and a proxy that stays in the way of calls."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "secret"
_CONFIG = """
debug=1
log_stderror=yes
children=1
tcp_children=1
disable_tcp=yes
auto_aliases=no
shm_mem_size=32
listen=udp:127.0.0.1:{port}
mpath="{modules}"
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


def free_port() -> int:
    """A UDP port that nobody has, and that nobody is likely to take within the next moments."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def kamailio(folder: Path, password: str = PASSWORD) -> Iterator[int]:
    """The port of one that starts; SIP waits for it by itself. `password` is everybody's."""
    port = free_port()
    (modules,) = Path("/usr/lib").glob("*/kamailio/modules")
    config = folder / "kamailio.cfg"
    config.write_text(_CONFIG.format(port=port, modules=modules, password=password))
    options = ["-f", str(config), "-DD", "-E", "-Y", str(folder), "-P", str(folder / "kamailio.pid")]
    with (folder / "kamailio.log").open("wb") as log:
        process = subprocess.Popen([_program(), *options], stdout=log, stderr=log, start_new_session=True)
        try:
            yield port
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
