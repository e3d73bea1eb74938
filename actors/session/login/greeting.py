"""What client and backend are told when a session is established, and what the backend is told when it ends."""

from typing import Any, Final

from actors.hooks.lanes.lane import HookLane
from actors.session.socket.writing import FrameWriter
from protocol.hooks import HookMethod, connection_status_body
from protocol.signaling.frames import Connection, GetUserData, GetVersion, PingFrame
from protocol.signaling.session_statuses import SessionStatus

SDK_VERSION: Final = "5.2.2109-wcsd"
"""The answer to `getVersion`: mobile SDKs parse a WCS version."""


def greet(
    writer: FrameWriter,
    lane: HookLane,
    connection: Connection,
    *,
    sent: dict[str, Any],
    answered: dict[str, Any],
    token: str,
) -> None:
    """Report the session as ESTABLISHED: to the backend as a hook, to the client by `getUserData`.

    `sent` is the body of `connect`, `answered` what the backend has made of it, which the client is shown too.
    """
    body = connection_status_body(answered, status=SessionStatus.ESTABLISHED, auth_token=token)
    echo = GetUserData.echo(connection, auth_token=token).data

    def deliver(shown: dict[str, Any]) -> None:
        hidden = body.keys() - shown.keys()
        changed = {key: value for key, value in shown.items() if sent.get(key) != value}
        writer.send(GetUserData(data={key: value for key, value in echo.items() if key not in hidden} | changed))
        writer.send(GetVersion(version=SDK_VERSION))
        writer.send(PingFrame())

    lane.event(HookMethod.CONNECTION_STATUS_EVENT, body, deliver=deliver)


def take_leave(lane: HookLane, connected: dict[str, Any], *, info: str | None) -> None:
    """The session is over: report it to the backend, if that was told of it, with the body `connected`."""
    if connected:
        body = connection_status_body(connected, status=SessionStatus.DISCONNECTED, info=info)
        lane.notify(HookMethod.CONNECTION_STATUS_EVENT, body, last=True)
    lane.close()
