"""The machine's own addresses, in a network namespace of the test's making."""

import json
import subprocess
import sys
from ipaddress import ip_address

from actors.net.network_interfaces import machine_addresses
from tests.support.root import needs_root

NAMESPACE = """
ip link set lo up
ip link add one type veth peer name peer && ip addr add 10.9.0.1/24 dev one
ip addr add 10.9.0.2/24 dev one label one:2
ip link set one up && ip addr add fd09::1/64 dev one nodad
ip addr add 10.9.9.9/24 dev peer
exec "$0" -c 'import json; from actors.net.network_interfaces import *; print(json.dumps(machine_addresses()))'
"""


@needs_root
def test_addresses_of_interfaces_that_are_up_reachable_ones_first() -> None:
    command = ["unshare", "--net", "sh", "-euc", NAMESPACE, sys.executable]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.stderr == ""
    assert json.loads(ended.stdout) == ["10.9.0.1", "10.9.0.2", "fd09::1", "127.0.0.1", "::1"]


def test_on_this_machine_loopback_is_there_and_link_local_is_not() -> None:
    addresses = machine_addresses()
    assert "127.0.0.1" in addresses
    assert not any(ip_address(address).is_link_local for address in addresses)
