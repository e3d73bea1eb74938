"""Sound of any form, turned into one form, also where its own changes, as where a programme follows another one."""

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler


class Resampler:
    """PyAV's raises ValueError where the form changes, or passes on what then ends the process.

    `form`: of samples; `rate` in Hz; `frame_size`: samples of each frame, None: as they come. All of it is stereo.
    """

    def __init__(self, form: str, rate: int, frame_size: int | None = None) -> None:
        self._target = form, "stereo", rate, frame_size
        self._takes: tuple[str, str, int] | None = None
        self._resampler = AudioResampler(*self._target)

    def suits(self, frame: AudioFrame) -> bool:
        """Whether this frame has the form of those before."""
        return self._takes == _form(frame)

    def resample(self, frame: AudioFrame) -> list[AudioFrame]:
        """What is complete of it. What was left of another form is lost: less than a frame."""
        if not self.suits(frame):
            self._takes, self._resampler = _form(frame), AudioResampler(*self._target)
        frame.pts = None
        return self._resampler.resample(frame)


def _form(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
