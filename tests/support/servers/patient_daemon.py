"""The daemon, but that whatever ends has an hour for it: it stops only if it does not wait for that."""

import sys

from actors.daemon import main
from actors.runtime.actor import Actor
from actors.session import gateway, session
from actors.session.socket import writing

HOUR = 3600.0

if __name__ == "__main__":
    gateway.CLOSE_TIMEOUT = session.CLOSE_TIMEOUT = writing.FAREWELL_TIMEOUT = Actor.cleanup_timeout = HOUR
    sys.exit(main(sys.argv[1:]))
