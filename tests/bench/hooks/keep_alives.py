"""How long the passes are in which the keep-alives of thousands of streams go out.

    python -m tests.bench.hooks.keep_alives

The streams are real ones in this process, on clients' sockets, media and a backend in memory, all of which are in the
passes, too. Every stream is asked for once in ten seconds. Printed are the longest pass of the event loop in processor
time without keep-alives, in the first round, in which each stream gets its turn, and in each period of ten seconds.
"""

import argparse
import gc
from typing import Any

import trio
import trio.lowlevel

from actors.daemon import configure_gc
from actors.runtime.actor import SHUTDOWN
from actors.stream.keep_alive_schedule import StreamKeepAlive
from tests.bench.meters.pass_meter import PassMeter
from tests.support.session.signaling_rig import SignalingRig, signaling_rig

INTERVAL = 10.0
PER_SESSION = 100
MANY = 10**9
SETTINGS: dict[str, Any] = {
    "keep_alive_streaming_sessions_enabled": True,
    "streaming_sessions_keep_alive_interval": INTERVAL,
    "streaming_sessions_keep_alive_app_keys": ("defaultApp",),
    "keep_alive_server_interval": 86_400.0,  # these clients answer no pings
    "max_streams_per_session": PER_SESSION,
    "rest_lane_size": MANY,
    "rest_lanes_total": MANY,
}


def main() -> None:
    """Measure what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(description="Passes of the keep-alive walker.")
    parser.add_argument("--streams", type=int, nargs="+", default=(5000, 20_000), help="(%(default)s)")
    parser.add_argument("--periods", type=int, default=2, help="of ten seconds each (%(default)s)")
    arguments = parser.parse_args()
    print("streams  without  first round  then, longest pass in ms", flush=True)
    for streams in arguments.streams:
        trio.run(_measure, streams, arguments.periods)
        gc.unfreeze()


async def _measure(streams: int, periods: int) -> None:
    meter = PassMeter()
    trio.lowlevel.add_instrument(meter)
    async with signaling_rig(**SETTINGS) as rig:
        await _publish(rig, streams)
        configure_gc()
        await trio.sleep(2)  # the hooks of what has begun
        figures = [await _longest(meter, INTERVAL / 2)]
        walker = StreamKeepAlive(rig.settings, rig.live_streams)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(walker.run)
            figures.append(await _longest(meter, 0.5))
            figures += [await _longest(meter, INTERVAL) for _ in range(periods)]
            walker.stop(SHUTDOWN)
        print(f"{streams:7}" + "".join(f"{each:9.1f}" for each in figures), flush=True)
    trio.lowlevel.remove_instrument(meter)


async def _publish(rig: SignalingRig, streams: int) -> None:
    for start in range(0, streams, PER_SESSION):
        socket, _ = await rig.connect()
        for number in range(start, min(start + PER_SESSION, streams)):
            await rig.publish(socket, f"s{number}", f"p{number}")


async def _longest(meter: PassMeter, seconds: float) -> float:
    """The longest pass of these seconds, in milliseconds."""
    await trio.lowlevel.checkpoint()
    meter.longest()
    await trio.sleep(seconds)
    return meter.longest()["cpu"]


if __name__ == "__main__":
    main()
