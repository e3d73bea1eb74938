"""Pictures of streams."""

from attrs import frozen

from config.setting import setting
from config.values.kinds import Duration, Integer


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class SnapshotSettings:
    """Pictures of streams."""

    snapshot_max_waiting: int = setting(
        "snapshot.max_waiting", Integer(0, 1000), "32",
        "Pictures of streams that may be waited for at once. Beyond it requests are refused. 0: none are taken.",
        heading="Snapshots")
    snapshot_timeout: float = setting(
        "snapshot.timeout", Duration("ms", 100, 30_000), "2000",
        "How long a picture may take. Longer, and its request fails: the publisher has sent no key frame.")
    snapshot_page_max_bytes: int = setting(
        "snapshot.page_max_bytes", Integer(16_384, 2_621_440, "bytes"), "1048576",
        "What a picture may have that a page asks for. A larger one is scaled down. REST takes any up to 16 MiB.")
# fmt: on
