"""A session as REST sees it."""

from actors.session.requests.requests import Requests
from protocol.node.descriptions import ConnectionDescription
from protocol.signaling.frames import Connection
from protocol.signaling.session_statuses import SessionStatus


def describe_session(
    session_id: str,
    connection: Connection,
    requests: Requests | None,
    *,
    node_id: str,
    created: int,
    origin: str | None,
) -> ConnectionDescription:
    """`requests` is None until the session is established; `created`: milliseconds since the epoch."""
    return ConnectionDescription(
        node_id=node_id,
        app_key=connection.app_key,
        session_id=session_id,
        status=SessionStatus.PENDING if requests is None else SessionStatus.ESTABLISHED,
        create_date=created,
        client_version=connection.client_version or None,
        client_os_version=connection.client_os_version or None,
        client_browser_version=connection.client_browser_version or None,
        media_providers=connection.media_providers,
        origin=origin,
        streams=0 if requests is None else len(requests.streams),
        room_names=() if requests is None else requests.room_names,
    )
