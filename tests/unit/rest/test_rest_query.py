import pytest

from protocol.rest.errors import RestError
from protocol.rest.query import MAX_PARAMETERS, read_query


def test_parameters_are_read_in_their_order() -> None:
    assert list(read_query(b"b=%20x&a=&c&d=1%3D2&e=%c3%bf").items()) == [
        ("b", " x"), ("a", ""), ("c", ""), ("d", "1=2"), ("e", "\u00ff"),
    ]  # fmt: skip
    assert read_query(b"") == {}


def test_a_parameter_given_twice_is_refused_and_named() -> None:
    with pytest.raises(RestError, match="'name' is given twice") as refused:
        read_query(b"name=a&x=1&n%61me=b")
    assert refused.value.key == "name"


@pytest.mark.parametrize("query", [b"name=%ff", b"%ff=a", b"name=%ed%a0%80", b"name=a%c3"])
def test_what_is_not_utf_8_is_refused_as_in_a_body(query: bytes) -> None:
    with pytest.raises(RestError, match="the query string is not UTF-8"):
        read_query(query)


def test_too_many_parameters_are_refused_before_they_are_read() -> None:
    most = b"&".join(b"%d=" % number for number in range(MAX_PARAMETERS))
    assert len(read_query(most)) == MAX_PARAMETERS
    with pytest.raises(RestError, match="may have 100 parameters"):
        read_query(most + b"&x=")
