"""The reports about sessions, as REST serves them."""

from pathlib import Path

from attrs import evolve

from tests.support.servers.full_server import full_server

NAME = "0123456789abcdef" * 2 + ".txt"
PATH = "/client/debug/"


async def test_reports_are_served_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "debug"
    folder.mkdir(parents=True)
    (folder / NAME).write_text("report")
    (folder / "notes.txt").write_text("secret")
    (folder / NAME.replace("0", "1")).symlink_to(tmp_path / "state" / "lock")
    async with full_server(tmp_path) as server:
        answer = await server.rest.get(PATH + NAME)
        assert answer.text == "report"
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["content-disposition"] == f'attachment; filename="{NAME}"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        for name in ("notes.txt", NAME.replace("0", "1"), NAME.upper(), f"..%2Fdebug%2F{NAME}", NAME + "%0A", ""):
            assert (await server.rest.get(PATH + name)).status_code == 404, name
        elsewhere = {"Origin": "https://elsewhere.example", "Host": "elsewhere.example"}
        assert (await server.rest.get(PATH + NAME, headers=elsewhere)).status_code == 403
        server.live.replace(evolve(server.live.now, session_debug_reports=False))
        assert (await server.rest.get(PATH + NAME)).status_code == 404
