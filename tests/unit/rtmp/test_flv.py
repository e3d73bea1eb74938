"""The bodies of FLV tags."""

from protocol.rtmp import flv


def unit(kind: int, length: int = 5) -> bytes:
    return length.to_bytes(4, "big") + bytes((kind,)) + b"x" * (length - 1)


def test_pictures_are_units_with_lengths_and_parameter_sets_come_once() -> None:
    assert flv.avc_header(b"record") == b"\x17\0\0\0\0record"
    assert flv.avc_frame(unit(9) + unit(7) + unit(8) + unit(5), is_key=True) == b"\x17\x01\0\0\0" + unit(5)
    assert flv.avc_frame(unit(1), is_key=False) == b"\x27\x01\0\0\0" + unit(1)


def test_sound_is_bare_aac() -> None:
    assert flv.aac_header(b"\x11\x90") == b"\xaf\0\x11\x90"
    assert flv.aac_frame(b"data") == b"\xaf\x01data"
