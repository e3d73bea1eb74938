"""Every address that the server advertises leads to it, alone: IPv4 and IPv6, from this machine and from another."""

from collections.abc import Iterable
from pathlib import Path

from tests.support.network.network_namespace import linked_namespaces
from tests.support.root import needs_root
from tests.support.servers.server_process import running_server
from tests.support.session.wcs_client import wcs_client
from tests.support.webrtc.media_peer import MediaPeer

FROM_AWAY = {"10.77.0.1": "10.77.0.2", "10.77.1.1": "10.77.1.2", "fd77::1": "fd77::2"}
"""The server's addresses, and from where each is reached."""
FROM_HOME = {"127.0.0.1": "127.0.0.1", "::1": "::1"}


@needs_root
async def test_every_advertised_candidate_alone_connects(tmp_path: Path) -> None:
    with linked_namespaces(with_prefix(FROM_AWAY.keys()), with_prefix(FROM_AWAY.values())) as (home, away):
        with home.entered(), running_server(tmp_path) as server, away.entered():
            async with wcs_client(server.ws_url("10.77.0.1")) as client, wcs_client(server.ws_url("fd77::1")) as other:
                for number, (theirs, ours) in enumerate((FROM_AWAY | FROM_HOME).items()):
                    with home.entered() if theirs in FROM_HOME else away.entered():
                        peers = MediaPeer(host=ours), MediaPeer(host=ours)
                    publication = await client.offer("publishStream", f"stream{number}", peers[0])
                    assert {address for address, _ in peers[0].answer.candidates} == {*FROM_AWAY, *FROM_HOME}
                    await client.connect_media(publication, only=theirs)
                    publication.send_key_frame()
                    await publication.status("PUBLISHING")
                    playback = await other.offer("playStream", f"stream{number}", peers[1])
                    await other.connect_media(playback, only=theirs)
                    await playback.status("PLAYING")
                    publication.send_key_frame()
                    await playback.until_media()


def with_prefix(addresses: Iterable[str]) -> list[str]:
    """As `ip address add` wants them."""
    return [f"{address}/{64 if ':' in address else 24}" for address in addresses]
