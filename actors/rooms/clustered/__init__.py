"""Rooms whose members are on several nodes.

On a member's node, `branch.py` is the room: it knows the sessions there. On the room's node, `host.py` holds the room
itself, whose members are `guest.py`. Between them go `protocol.cluster.rooms.messages`, also on one and the same node.
`rooms.py` is all of this on one node, `control.py` REST over all of them.
"""

from actors.rooms.clustered.control import ClusterRoomControl
from actors.rooms.clustered.rooms import ClusterRooms

__all__ = ["ClusterRoomControl", "ClusterRooms"]
