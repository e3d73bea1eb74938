"""Several nodes that are one server to its clients."""

from pathlib import Path

from attrs import frozen

from config.setting import DAY_MS, MANY, TIMEOUT, PartialAnswer, RegistryDown, setting
from config.values.addresses import Address
from config.values.kinds import Choice, Duration, File, Text
from config.values.redis import RedisLocation
from protocol.cluster.redis_url import RedisUrl


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class ClusterSettings:
    """Several nodes that are one server to its clients."""

    cluster_redis_url: RedisUrl | None = setting(
        "cluster.redis_url", RedisLocation(), "",
        "Redis, which the nodes of a cluster share. Empty: this server is alone.",
        heading="Cluster",
        live=False)
    cluster_redis_ca_file: Path | None = setting(
        "cluster.redis_ca_file", File(), "",
        "PEM file of the certificates to trust if cluster.redis_url begins with rediss. Empty: those of the system.",
        live=False)
    cluster_address: str | None = setting(
        "cluster.address", Text(), "",
        "Name or address by which pages reach this node, as /rest-api/lb tells it. Empty: the one that the"
        " page has called; with cluster.redis_url, the node's first address for media.",
        live=False)
    cluster_registry_down: RegistryDown = setting(
        "cluster.registry_down", Choice(RegistryDown), "accept",
        "New publications, rooms and groups of recordings while Redis does not answer. accept: allowed, and checked "
        "later. refuse: they fail.")
    cluster_timeout: float = setting(
        "cluster.timeout", TIMEOUT, "1000", "How long Redis may take to answer.",
        live=False)
    cluster_answer_timeout: float = setting(
        "cluster.answer_timeout", TIMEOUT, "2000", "How long a REST request waits for the answers of other nodes.")
    cluster_partial: PartialAnswer = setting(
        "cluster.partial", Choice(PartialAnswer), "503",
        "The status of a terminate that stopped something while a node did not answer. 200: for old backends.")
    cluster_relay_address: str | None = setting(
        "cluster.relay_address", Address(), "",
        "Address of this node for media between nodes. Empty: the addresses that browsers get.",
        live=False)
    cluster_relay_linger: float = setting(
        "cluster.relay_linger", Duration("ms", 0, DAY_MS), "30000",
        "How long a stream of another node goes on here after its last player.")
    cluster_max_relays: int = setting(
        "cluster.max_relays", MANY, "500",
        "Streams of other nodes that are played here at a time; as many go from here to other nodes.")
# fmt: on
