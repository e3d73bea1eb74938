"""Values that only settings of recordings have."""

from attrs import field, frozen

from protocol.stream.record_names import ELEMENTS, unknown_elements
from protocol.stream.rotation import ALLOWED as ALLOWED_ROTATION
from protocol.stream.rotation import Rotation, read_rotation


@frozen
class RecordTemplate:
    """The name of a recording, with elements in braces."""

    allowed: str = field(default=f"text with {', '.join(f'{{{name}}}' for name in ELEMENTS)}", init=False)

    def read(self, text: str) -> str:
        if not text:
            raise ValueError("is empty")
        for name in unknown_elements(text):
            raise ValueError(f"has an unknown element, {{{name}}}")
        return text


@frozen
class RecordRotation:
    """When the next file of a recording begins; None if the text is empty: never."""

    allowed: str = field(default=f"{ALLOWED_ROTATION}; or empty", init=False)

    def read(self, text: str) -> Rotation | None:
        return read_rotation(text) if text else None
