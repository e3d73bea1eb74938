"""`?scope=local`: ask one node of a cluster only."""

from typing import Final

from protocol.rest.fields import Field, FieldTable, one_of

SCOPE: Final = Field("scope", one_of("cluster", "local"), "local: this node only, and not all nodes of the cluster")
SCOPE_QUERY: Final = FieldTable(SCOPE, noun="query parameter")
