"""Query strings, read as strictly as bodies: a parameter that stands twice is an error, for one would be lost."""

from urllib.parse import parse_qsl

from protocol.rest.errors import bad_request

MAX_PARAMETERS = 100
"""Parameters of one query string; more are refused before any of them is decoded."""

_LONGEST_SHOWN = 64


def read_query(query: bytes) -> dict[str, str]:
    """The parameters of a query string, in its order; one without a value is the empty text. RestError (400)."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise bad_request(f"a query string may have {MAX_PARAMETERS} parameters") from None
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            brief = name[:_LONGEST_SHOWN]
            raise bad_request(f"query parameter {brief!r} is given twice", key=brief)
        parameters[name] = value
    return parameters
