"""What all frames share that the server sends; see `server_frames`."""

from typing import Any, ClassVar

from attrs import fields, frozen

from protocol.common.json_decoding import wire_name


@frozen(kw_only=True)
class ServerMessage:
    """What all server frames share."""

    message: ClassVar[str]
    wire_names: ClassVar[tuple[tuple[str, str], ...]]
    """Each field with its name on the wire, in order."""

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        cls.wire_names = tuple((attribute.name, wire_name(attribute.name)) for attribute in fields(cls))

    def wire_data(self) -> list[Any]:
        """The frame's `data` array: one object of the fields that are not None."""
        named = ((wire, getattr(self, name)) for name, wire in self.wire_names)
        return [{wire: value for wire, value in named if value is not None}]
