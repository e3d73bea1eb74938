"""The thread that writes the log: whoever logs never waits, whatever the reader of the log does."""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from actors.runtime.log_writer import LINE_OVERHEAD, QUEUE_SIZE, THREAD_NAME, DescriptorOutput, LineWriter
from tests.support.servers.server_process import thread_names

PATIENCE = 30.0
LINE = "x" * 99 + "\n"
LONG = "x" * 9999 + "\n"
"""More than the pipe holds."""


class Pipe:
    """A pipe with little room, and a writer at its end."""

    def __init__(self, queue_size: int, is_blocking: bool) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(self.writing, is_blocking)
        self.writer = LineWriter(DescriptorOutput(self.writing), loss_line="{} lost\n".format, queue_size=queue_size)

    def read_to_the_end(self) -> list[str]:
        """All lines, read while the writer is closed."""
        content = bytearray()

        def read() -> None:
            while piece := os.read(self.reading, 65536):
                content.extend(piece)

        reader = threading.Thread(target=read)
        reader.start()
        assert self.writer.close(PATIENCE)
        os.close(self.writing)
        reader.join(PATIENCE)
        return content.decode().splitlines(keepends=True)


OpenPipe = Callable[..., Pipe]


@pytest.fixture
def open_pipe() -> Iterator[OpenPipe]:
    with ExitStack() as pipes:

        def start(queue_size: int = QUEUE_SIZE, is_blocking: bool = True) -> Pipe:
            pipe = Pipe(queue_size, is_blocking)
            pipes.callback(close_all, pipe)
            return pipe

        yield start


def close_all(pipe: Pipe) -> None:
    """Free a thread that still waits for its reader, before the descriptor goes to somebody else."""
    with suppress(OSError):
        os.close(pipe.reading)
    assert pipe.writer.close(PATIENCE)
    with suppress(OSError):
        os.close(pipe.writing)


@pytest.mark.parametrize("is_blocking", [True, False], ids=["usual", "made non-blocking by another process"])
def test_lines_come_whole_and_in_order_from_a_slow_reader(open_pipe: OpenPipe, is_blocking: bool) -> None:
    pipe = open_pipe(is_blocking=is_blocking)
    written = [f"line {number} {'ü' * 50}\n" for number in range(2000)]  # 200 kB, and 4 kB of pipe
    for line in written:
        pipe.writer.write(line)
    assert pipe.read_to_the_end() == written


def test_a_reader_that_stops_holds_nobody_up_and_what_was_lost_is_counted(open_pipe: OpenPipe) -> None:
    pipe = open_pipe(queue_size=len(LONG) + 100 * (len(LINE) + LINE_OVERHEAD))
    pipe.writer.write(LONG)  # whatever the thread takes with it, it is held up until somebody reads
    for _ in range(1000):
        pipe.writer.write(LINE)
    lost = pipe.writer.lost
    assert lost >= 900
    lines = pipe.read_to_the_end()
    assert [line for line in lines if line != LINE] == [LONG, f"{lost} lost\n"]
    assert lines.count(LINE) == 1000 - lost


def test_a_reader_that_has_gone_is_no_reason_to_fail(open_pipe: OpenPipe) -> None:
    pipe = open_pipe()
    os.close(pipe.reading)
    for _ in range(1000):
        pipe.writer.write(LINE)
    assert pipe.writer.close(PATIENCE)
    assert pipe.writer.lost == 1000


def test_the_end_is_not_held_up_either(open_pipe: OpenPipe) -> None:
    pipe = open_pipe()
    for _ in range(1000):
        pipe.writer.write(LINE)
    assert not pipe.writer.close(0.01)


def test_a_line_of_any_text_can_be_written(open_pipe: OpenPipe) -> None:
    pipe = open_pipe()
    pipe.writer.write("half a pair \ud800\n")
    assert pipe.read_to_the_end() == ["half a pair \\ud800\n"]


def test_the_system_knows_the_thread_by_name(open_pipe: OpenPipe) -> None:
    pipe = open_pipe()
    pipe.writer.write(LINE)
    assert os.read(pipe.reading, 4096) == LINE.encode()  # it runs
    assert THREAD_NAME in thread_names("self")
