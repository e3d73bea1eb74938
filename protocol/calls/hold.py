"""Who holds a call: its page, by an offer that the phone takes or refuses, or the phone by its description."""

from attrs import define, field


@define
class CallHold:
    """One offer of the page is under way at a time; meanwhile its last wish is kept. If both hold, the page counts."""

    wanted: bool = field(init=False, default=False)
    """What the page wanted last."""
    by_page: bool = field(init=False, default=False)
    """What the phone was last offered, unless it has refused that."""
    by_phone: bool = field(init=False, default=False)
    _is_offering: bool = field(init=False, default=False)

    @property
    def is_on(self) -> bool:
        return self.by_page or self.by_phone

    @property
    def is_settled(self) -> bool:
        """What the page wants is what the phone was offered."""
        return self.wanted is self.by_page

    def offers(self, *, held: bool) -> bool:
        """The page wants to hold the call, or to go on; whether the phone is to be offered that now."""
        self.wanted = held
        if self._is_offering:
            return False
        self._is_offering, self.by_page = True, held
        return True

    def refused(self) -> bool:
        """The phone has refused what it was offered; whether all is as before, since that was about holding."""
        if not self._is_offering:
            return False
        self._is_offering = False
        self.wanted = self.by_page = not self.by_page
        return True

    def accepted(self) -> None:
        """The phone has taken what it was offered."""
        self._is_offering = False

    def replaced(self, *, held: bool) -> None:
        """Another phone has taken the place of the one there was, and with it an offer that said `held`."""
        self._is_offering, self.by_page = False, held

    def described(self, *, holds: bool) -> None:
        """The phone's description says whether it holds the call."""
        self.by_phone = holds and not self.by_page
