"""Applications: what is accepted, how they are found, and the file that keeps them."""

import contextlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.apps import ALL_METHODS, App, AppError, AppTable, default_table
from config.tables.apps_file import AppFileError, read_apps, write_apps

SHOP = App(name="shop", key="shopKey", url="https://shop.example/hooks")
BANK = App(name="bank", key="bankKey", url="http://[::1]:9000", methods=frozenset({"connect"}), rest_username="wcs")


class TestApp:
    def test_password_is_not_in_repr(self) -> None:
        app = SHOP.with_fields(rest_username="wcs", rest_password="s3cret")
        assert "s3cret" not in repr(app)
        assert "s3cret" not in repr(AppTable((app,)))

    @pytest.mark.parametrize(
        "url",
        [
            "http://localhost:8081/apps/EchoApp",
            "https://a.example",
            "http://10.0.0.1/a/b/",
            "HTTP://[2001:db8::1]:80/x",
            "http://a.example/%D0%B0",
        ],
    )
    def test_usable_urls(self, url: str) -> None:
        assert SHOP.with_fields(url=url).url == url

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("", "must not be empty"),
            ("shop.example/hooks", "must start with http"),
            ("ftp://shop.example", "must start with http"),
            ("http://", "names no host"),
            ("http:///hooks", "names no host"),
            ("http://:8080/hooks", "names no host"),
            ("http://shop.example:99999", "Port out of range"),
            ("http://shop.example:0", "no usable port"),
            ("http://shop.example:x", "is not a URL"),
            ("http://[::1", "is not a URL"),
            ("http://999.1.1.1/", "is not a URL"),
            ("http://shop.example/?a=1", "query or a fragment"),
            ("http://shop.example/#a", "query or a fragment"),
            ("http://shop.example/a b", "plain ASCII"),
            ("http://магазин.example/", "plain ASCII"),
            ("http://shop.example/\n", "control characters"),
            ("http://shop.example/" + "a" * 3000, "longer than"),
        ],
    )
    def test_unusable_urls(self, url: str, why: str) -> None:
        with pytest.raises(AppError, match=why) as caught:
            SHOP.with_fields(url=url)
        assert caught.value.field == "url"

    def test_credentials_in_the_url_are_refused_and_not_repeated(self) -> None:
        with pytest.raises(AppError, match="use -u and -p") as caught:
            SHOP.with_fields(url="http://wcs:s3cret@shop.example/")
        assert "s3cret" not in str(caught.value)

    @given(st.text(alphabet="htps:/.@[]%?#ax1-_~!$&'()*+,;=\\ é", max_size=20).map("http://".__add__))
    def test_an_accepted_url_is_one_for_the_http_client(self, url: str) -> None:
        try:
            app = SHOP.with_fields(url=url)
        except AppError:
            return
        assert httpx.URL(app.method_url("connect")).raw_path.endswith(b"/connect")

    @pytest.mark.parametrize("text", ["", "-a", "a b", "a,b", "a\nb", "a\x7f", "x" * 129, "\udcff"])
    @pytest.mark.parametrize("field", ["name", "key"])
    def test_unusable_names_and_keys(self, field: str, text: str) -> None:
        with pytest.raises(AppError) as caught:
            SHOP.with_fields(**{field: text})
        assert caught.value.field == field

    def test_credentials(self) -> None:
        with pytest.raises(AppError, match="rest_username: must not hold ':'"):
            SHOP.with_fields(rest_username="a:b")
        with pytest.raises(AppError, match="rest_password: needs a rest_username"):
            SHOP.with_fields(rest_password="b")
        assert SHOP.with_fields(rest_username="a", rest_password="b:c").rest_password == "b:c"

    def test_unknown_method_names_the_nearest(self) -> None:
        with pytest.raises(AppError, match=r"'streamkeepaliveevent' \(did you mean 'StreamKeepAliveEvent'\?\)"):
            SHOP.with_fields(methods=frozenset({"streamkeepaliveevent"}))

    def test_a_method_of_wcs_that_is_never_called_says_so(self) -> None:
        with pytest.raises(AppError, match="'playHLS' exists in WCS, but this server never calls it"):
            SHOP.with_fields(methods=frozenset({"playHLS"}))

    @pytest.mark.parametrize("url", ["http://a.example/hooks", "http://a.example/hooks/"])
    def test_method_url_is_one_segment_more(self, url: str) -> None:
        assert SHOP.with_fields(url=url).method_url("connect") == "http://a.example/hooks/connect"


class TestAppTable:
    def test_finds_by_key_and_by_name(self) -> None:
        table = AppTable((SHOP, BANK))
        assert table.by_key("bankKey") is BANK
        assert table.by_name("shop") is SHOP
        assert table.by_key("shop") is None
        assert table.by_name("shopKey") is None

    @pytest.mark.parametrize("field", ["name", "key"])
    def test_names_and_keys_are_unique(self, field: str) -> None:
        other = BANK.with_fields(**{field: getattr(SHOP, field)})
        with pytest.raises(AppError, match="is taken by the application 'shop'") as caught:
            AppTable((SHOP,)).added(other)
        assert (caught.value.field, caught.value.position) == (field, 1)
        with pytest.raises(AppError, match="is taken"):
            AppTable((SHOP, BANK)).replaced(BANK, other)
        with pytest.raises(AppError, match="is taken by the application 'shop'"):
            AppTable((BANK, SHOP)).replaced(BANK, other)

    def test_replace_keeps_the_order(self) -> None:
        renamed = SHOP.with_fields(key="k")
        assert AppTable((SHOP, BANK)).replaced(SHOP, renamed).apps == (renamed, BANK)

    def test_remove(self) -> None:
        assert AppTable((SHOP, BANK)).removed(SHOP) == AppTable((BANK,))

    def test_default_table_is_the_shipped_one(self) -> None:
        app, rooms = default_table().apps
        assert (rooms.name, rooms.key, rooms.url) == ("roomApp", "roomApp", "http://localhost:8081/apps/RoomApp")
        assert (app.rooms, rooms.rooms, rooms.methods) == (False, True, app.methods)
        assert (app.name, app.key, app.url) == ("defaultApp", "defaultApp", "http://localhost:8081/apps/EchoApp")
        assert app.methods == frozenset(ALL_METHODS) - {
            "StreamKeepAliveEvent",
            "ServerStatusEvent",
            "RecordingStatusEvent",
        }


printable = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40)
identifiers = printable.filter(lambda text: "," not in text and not text.startswith("-"))
labels = st.none() | printable


@st.composite
def apps(draw: st.DrawFn, number: int) -> App:
    username = draw(labels.map(lambda text: text and text.replace(":", "_")))
    return App(
        name=f"{number}{draw(identifiers)}",
        key=f"{number}{draw(identifiers)}",
        url="http://a.example/" + draw(st.sampled_from(["", "x", "x/y"])),
        methods=draw(st.frozensets(st.sampled_from(ALL_METHODS))),
        rooms=draw(st.booleans()),
        rest_username=username,
        rest_password=draw(labels) if username else None,
        owner=draw(labels),
        main_class=draw(labels),
        callback_class=draw(labels),
    )


tables = st.builds(
    AppTable,
    st.integers(0, 3).flatmap(lambda count: st.tuples(*map(apps, range(count)))),
    st.frozensets(labels.filter(bool), max_size=2),
)

FILE = """\
# by hand
format = 1

[[app]]
name = "shop"
key = "shopKey"
url = "https://shop.example/hooks"

[[app]]
name = "bank"
key = "bankKey"
url = "http://[::1]:9000"
rest_username = "wcs"
methods = [
    "connect",
]
"""


class TestFile:
    @given(tables)
    def test_what_is_written_is_read_back(self, table: AppTable) -> None:
        assert read_apps(write_apps(table), file_name="apps.toml") == table

    @given(st.text() | st.text(alphabet='[]app="\n={}1.,\\format ', max_size=60))
    def test_any_text_is_a_table_or_one_error(self, text: str) -> None:
        with contextlib.suppress(AppFileError):
            table = read_apps(text, file_name="apps.toml")
            assert read_apps(write_apps(table), file_name="apps.toml") == table

    def test_a_file_made_by_hand(self) -> None:
        assert read_apps(FILE, file_name="apps.toml") == AppTable((SHOP, BANK))

    def test_the_default_file_reads_like_this(self) -> None:
        head, _, methods = write_apps(default_table()).partition("methods = [\n")
        assert head.endswith(
            'format = 1\nshipped = ["roomApp"]\n\n[[app]]\nname = "defaultApp"\nkey = "defaultApp"\n'
            'url = "http://localhost:8081/apps/EchoApp"\n'
        )
        assert methods.startswith('    "connect",\n    "ConnectionStatusEvent",\n')

    @pytest.mark.parametrize(
        ("old", "new", "error"),
        [
            ('"shopKey"', '"shopKey', "apps.toml:6: Illegal character"),
            ('"shopKey"', '"shop Key"', "apps.toml:6: key: 'shop Key' must not"),
            ('"bankKey"', '"shopKey"', "apps.toml:11: key: 'shopKey' is taken by the application 'shop'"),
            ('"bank"', "5", "apps.toml:10: name: must be text"),
            ('"http://[::1]:9000"', '"http://[::1"', "apps.toml:12: url: 'http://***' is not a URL"),
            ('url = "http://[::1]:9000"\n', "", "apps.toml:9: url: is missing"),
            ("rest_username", "rest_user", "apps.toml:13: rest_user: unknown key (did you mean 'rest_username'?)"),
            ('"connect"', '"conect"', "apps.toml:14: methods: unknown REST method 'conect' (did you mean 'connect'?)"),
            ('"connect"', "5", "apps.toml:14: methods: must be a list of names"),
            ("format = 1", "", "apps.toml: 'format = 1' is missing"),
            ("format = 1", "format = 2", "apps.toml: 'format = 1' is missing"),
            ("[[app]]", "[app]", "apps.toml:9: Cannot declare ('app',) twice"),
            ("[[app]]", "[[apps]]", "apps.toml: unknown key 'apps' (did you mean 'app'?)"),
            (FILE[10:], "", "apps.toml: 'format = 1' is missing"),
            (FILE, "", "apps.toml: 'format = 1' is missing"),
            (FILE, "format = 1\napp = 5", "apps.toml: applications are written [[app]], with two brackets"),
            (FILE, "format = 1\nshipped = 5", "apps.toml: shipped must be a list of names"),
            ("methods = [", "rooms = 1\nmethods = [", "apps.toml:14: rooms: must be true or false"),
            (FILE, "format = 1\napp = [5]", "apps.toml: applications are written [[app]], with two brackets"),
            (FILE, 'format = 1\n[[app]]\nname = "', "apps.toml:3: "),
        ],
    )
    def test_errors_name_the_line_and_the_key(self, old: str, new: str, error: str) -> None:
        assert old in FILE
        with pytest.raises(AppFileError) as caught:
            read_apps(FILE.replace(old, new), file_name="apps.toml")
        assert str(caught.value).startswith(error)
