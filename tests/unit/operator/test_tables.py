"""How answers are shown: whole where a program reads them, and fitted where a person does."""

from actors.operator.wcs.tables import render, render_lines

LONG = "http://" + "a" * 300 + ".example/"
ROWS = [
    {"name": "shop", "rest_password": True, "owner": None, "methods": ["connect", "playStream"]},
    {"name": "магазин", "rest_password": False, "owner": "me", "methods": []},
]


def test_a_table_has_aligned_columns() -> None:
    assert list(render(ROWS, None)) == [
        "NAME     REST PASSWORD  OWNER  METHODS",
        "shop     yes            -      connect, playStream",
        "магазин  no             me     -",
    ]


def test_no_value_of_a_line_can_be_taken_for_others() -> None:
    names = ["news", "a status=FAILED", 'b" c', "", "\x1b x", "b c\\", 'b\\" c=d']
    lines = render_lines(
        [{"time": "12:00", "type": "stream.status", "name": name, "published": True} for name in names]
    )
    assert [line.removeprefix("12:00 stream.status ").removesuffix(" published=yes") for line in lines] == [
        "name=news",
        'name="a status=FAILED"',
        r'name="b\" c"',
        "name=-",
        r'name="\\x1b x"',
        r'name="b c\\"',
        r'name="b\\\" c=d"',
    ]


def test_nothing_is_wrapped_or_cut_without_a_terminal() -> None:
    lines = list(render([{"name": "shop", "url": LONG, "methods": 3}], None))
    assert lines[1] == f"shop  {LONG}  3"


def test_a_table_that_fits_the_terminal_stays_a_table() -> None:
    lines = list(render(ROWS, None))
    assert list(render(ROWS, max(map(len, lines)))) == lines


def test_a_table_wider_than_the_terminal_is_turned() -> None:
    assert list(render(ROWS, 40)) == [
        "NAME           shop",
        "REST PASSWORD  yes",
        "OWNER          -",
        "METHODS        connect, playStream",
        "",
        "NAME           магазин",
        "REST PASSWORD  no",
        "OWNER          me",
        "METHODS        -",
    ]


def test_a_long_list_is_folded_between_its_items_and_a_long_word_is_kept_whole() -> None:
    rows = [{"url": LONG, "methods": ["connect", "publishStream", "playStream", "StreamStatusEvent"]}]
    assert list(render(rows, 40)) == [
        f"URL      {LONG}",
        "METHODS  connect, publishStream,",
        "         playStream, StreamStatusEvent",
    ]


def test_one_column_is_a_plain_list() -> None:
    assert list(render([{"method": "connect"}, {"method": "playStream"}], 5)) == ["connect", "playStream"]


def test_nothing_to_show() -> None:
    assert list(render([], None)) == []
