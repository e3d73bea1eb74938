"""`wcsd --nodes N`: a process without media that starts N servers, which are one server to their clients.

running        signals in, the ready line out
parent         the order in which they start and stop, and what becomes of one that ends
commands       what `wcs` asks, passed on to a node or to all
node_process   one of them as a process: how it is started, what it tells, how it is made to end
private_redis  the Redis that they share if the settings name none
ports          the TCP ports on which all of them listen
state_files    the files that they share
"""

from actors.host_nodes.parent import NodesCannotStart, NodesFailed
from actors.host_nodes.running import run_nodes

__all__ = ["NodesCannotStart", "NodesFailed", "run_nodes"]
