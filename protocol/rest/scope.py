"""`?scope=local`: ask one node of a cluster only. `?relays=true`: show how streams pass between nodes."""

from typing import Final

from protocol.rest.fields import FLAG, Field, FieldTable, one_of

SCOPE: Final = Field("scope", one_of("cluster", "local"), "local: this node only, and not all nodes of the cluster")
SCOPE_QUERY: Final = FieldTable(SCOPE, noun="query parameter")
RELAYS: Final = Field("relays", FLAG, "show what passes between the nodes of a cluster too, with mediaProvider Relay")
FIND_STREAMS_QUERY: Final = FieldTable(SCOPE, RELAYS, noun="query parameter")
