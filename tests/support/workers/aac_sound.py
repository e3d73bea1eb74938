"""Sound as AAC."""

from io import BytesIO

import av


def silent_aac(layout: str) -> bytes:
    """40 frames of silence, of 1024 samples each at 48 kHz, as ADTS; two of these make one file."""
    data = BytesIO()
    with av.open(data, "w", format="adts") as file:
        stream = file.add_stream("aac", rate=48_000, layout=layout)
        for _ in range(40):
            frame = av.AudioFrame("fltp", layout, 1024)
            frame.sample_rate = 48_000
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return data.getvalue()
