"""The kind of value that `cluster.redis_url` is."""

from attrs import field, frozen

from protocol.cluster.redis_url import FORMS, RedisUrl, parse_redis_url


@frozen
class RedisLocation:
    """Where Redis is, or nothing (None)."""

    allowed: str = field(default=FORMS, init=False)

    def read(self, text: str) -> RedisUrl | None:
        return parse_redis_url(text) if text else None
