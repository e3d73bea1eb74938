"""Streams passed on between the nodes of a cluster, so that a page plays on any node what is published on another.

    pulls, pull     the edge: a publication of another node is brought here once, for all players here
    serving, leg    the origin: another node is a viewer like others, and is told what a player would be
    relays          both, as the cluster, the directory and the server see them
    news            what the origin tells the edge, in order, until it is acknowledged

A stream goes from the node that has it to each node that plays it, never further.
"""

from actors.relay.relays import Relays
from actors.relay.services import RelayServices

__all__ = ["RelayServices", "Relays"]
