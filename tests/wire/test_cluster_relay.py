"""A page plays on one node what is published on another."""

from pathlib import Path

from tests.wire.test_cluster import two_nodes


async def test_a_page_plays_on_any_node_what_is_published_on_another(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        news = await pair.one.publish("news")
        player = await pair.two.play("news")
        await player.until_media()
        news.send_key_frame(b"more")
        await player.until_media(lambda packet: b"more" in packet.payload)
