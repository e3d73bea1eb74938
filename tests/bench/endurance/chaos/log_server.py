"""The same server, whose standard error is read by another process: stop that one, and nobody reads the log."""

import os
import subprocess
import sys

from tests.bench.endurance.chaos import server

if __name__ == "__main__":
    reader = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=sys.stderr.fileno())
    assert reader.stdin is not None
    os.dup2(reader.stdin.fileno(), sys.stderr.fileno())
    reader.stdin.close()
    code = server.main()
    os.close(sys.stderr.fileno())
    reader.wait(10)
    os._exit(code)  # nothing is left that could be written to standard error
