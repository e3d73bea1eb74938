"""Why something is ended on another node, and what is ordered with it, as it is passed between nodes."""

from attrs import frozen

from protocol.access.kicks import BanBy, BanOrder, Kick


@frozen(kw_only=True)
class OrderedBan:
    """Keep those out whom the request ends."""

    seconds: float
    by: BanBy | None = None
    reason: str | None = None


@frozen(kw_only=True)
class End:
    """Why what matches ends, and what is ordered besides."""

    cause: str
    info: str
    reason: str | None = None
    ban: OrderedBan | None = None

    @classmethod
    def of(cls, cause: str, info: str, kick: Kick | None) -> "End":
        order = None if kick is None else kick.ban
        ban = None if order is None else OrderedBan(seconds=order.seconds, by=order.by, reason=order.reason)
        return cls(cause=cause, info=info, reason=None if kick is None else kick.reason, ban=ban)

    def kick(self) -> Kick | None:
        """What is ordered besides; None: nothing."""
        if self.reason is None and self.ban is None:
            return None
        ban = self.ban
        order = None if ban is None else BanOrder(seconds=ban.seconds, by=ban.by, reason=ban.reason)
        return Kick(reason=self.reason, ban=order)
