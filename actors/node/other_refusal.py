"""A refusal of another node that this one has no name for."""


class OtherRefusal(Exception):
    """A node of a newer version refuses for a reason that this one does not know. `setting` names the limit, if any."""

    def __init__(self, info: str, setting: str | None = None) -> None:
        super().__init__(info if setting is None else f"{info} (setting {setting})")
        self.info = info
        self.setting = setting
