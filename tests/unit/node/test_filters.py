from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import ConnectionFilter, StreamFilter

WORDS = st.sampled_from(["", "a", "b", "Room", "room"])
FLAGS = st.booleans()
TEXT_FIELDS = ("name", "status", "session_id", "app_key", "media_provider", "node_id")
FLAG_FIELDS = ("published", "has_video", "has_audio")

descriptions = st.builds(
    StreamDescription,
    node_id=WORDS,
    app_key=WORDS,
    session_id=WORDS,
    media_session_id=WORDS,
    name=WORDS,
    published=FLAGS,
    has_video=FLAGS,
    has_audio=FLAGS,
    status=WORDS,
    create_date=st.just(0),
    media_provider=WORDS,
)
conditions = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(TEXT_FIELDS, WORDS),
        **dict.fromkeys(FLAG_FIELDS, FLAGS),
        "media_session_ids": st.frozensets(WORDS),
    },
)


def fulfils(stream: StreamDescription, field: str, wanted: Any) -> bool:
    if field == "media_session_ids":
        return stream.media_session_id in wanted
    return bool(getattr(stream, field) == wanted)


@given(descriptions, conditions)
def test_a_stream_matches_when_it_fulfils_each_condition_that_is_given(
    stream: StreamDescription, given_conditions: dict[str, Any]
) -> None:
    expected = all(fulfils(stream, field, wanted) for field, wanted in given_conditions.items())
    assert StreamFilter(**given_conditions).matches(stream) is expected


@given(descriptions, conditions, st.sampled_from([*TEXT_FIELDS, *FLAG_FIELDS, "media_session_ids"]), st.data())
def test_a_further_condition_never_widens_a_filter(
    stream: StreamDescription, given_conditions: dict[str, Any], field: str, data: st.DataObject
) -> None:
    given_conditions.pop(field, None)
    narrower = attrs.evolve(StreamFilter(**given_conditions), **{field: data.draw(_values(field))})
    assert StreamFilter(**given_conditions).matches(stream) >= narrower.matches(stream)


def _values(field: str) -> st.SearchStrategy[Any]:
    if field == "media_session_ids":
        return st.frozensets(WORDS)
    return FLAGS if field in FLAG_FIELDS else WORDS


@given(descriptions, conditions)
def test_an_empty_list_of_ids_matches_nothing_whatever_stands_beside_it(
    stream: StreamDescription, given_conditions: dict[str, Any]
) -> None:
    query = StreamFilter(**(given_conditions | {"media_session_ids": frozenset()}))
    assert not query.matches(stream)
    assert not query.is_everything


@given(descriptions)
def test_no_condition_matches_every_stream(stream: StreamDescription) -> None:
    assert StreamFilter().matches(stream)
    assert StreamFilter().is_everything


@given(conditions.filter(bool))
def test_a_filter_with_a_condition_is_not_everything(given_conditions: dict[str, Any]) -> None:
    assert not StreamFilter(**given_conditions).is_everything


@pytest.mark.parametrize(("published", "media_type"), [(True, "publish"), (False, "play")])
def test_media_type_says_what_published_says(published: bool, media_type: str) -> None:
    stream = StreamDescription(
        node_id="n",
        app_key="a",
        session_id="s",
        media_session_id="m",
        name="x",
        published=published,
        has_video=True,
        has_audio=True,
        status="NEW",
        create_date=0,
    )
    assert stream.media_type == media_type


@given(
    st.builds(
        ConnectionDescription,
        node_id=WORDS,
        app_key=WORDS,
        session_id=WORDS,
        client_version=st.none() | WORDS,
        status=WORDS,
        create_date=st.just(0),
    ),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("session_id", "app_key", "client_version"), WORDS)),
)
def test_a_connection_matches_when_it_fulfils_each_condition_that_is_given(
    connection: ConnectionDescription, given_conditions: dict[str, Any]
) -> None:
    expected = all(getattr(connection, field) == wanted for field, wanted in given_conditions.items())
    query = ConnectionFilter(**given_conditions)
    assert query.matches(connection) is expected
    assert query.is_everything is not bool(given_conditions)


@given(descriptions, conditions, st.frozensets(WORDS))
def test_a_filter_of_a_bound_caller_matches_what_it_matched_within_its_applications(
    stream: StreamDescription, given_conditions: dict[str, Any], apps: frozenset[str]
) -> None:
    query = StreamFilter(**given_conditions)
    bound = attrs.evolve(query, app_keys=apps)
    assert bound.matches(stream) is (query.matches(stream) and stream.app_key in apps)
    assert not bound.is_everything
