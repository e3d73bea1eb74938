"""A file that is heard in the place of a push's sound."""

from actors.workers.programs.pushing.sound import SoundFile
from tests.support.workers.aac_sound import silent_aac


def test_a_file_whose_channels_change_is_heard_to_its_end() -> None:
    """FFmpeg's queue of samples reads where there are none, and ends the process, if it is given another form."""
    file = SoundFile(silent_aac("stereo") + silent_aac("mono"), loops=False)
    samples = 0
    while (frame := file.take(960)) is not None:
        samples += frame.samples
        assert frame.layout.name == "stereo"
    assert 1.6 < samples / 48_000 < 1.8
