"""What happens in one pass of trio's loop holds up everything else."""

import trio


class Passes(trio.abc.Instrument):
    """Counts the passes, once it is added by `trio.lowlevel.add_instrument`."""

    number = 0

    def after_io_wait(self, timeout: float) -> None:
        self.number += 1
