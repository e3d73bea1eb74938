"""Reads query strings as strictly as bodies: a duplicate parameter is an error, because one would be lost."""

from urllib.parse import parse_qsl

from protocol.rest.errors import bad_request
from protocol.rest.fields import distinct

MAX_PARAMETERS = 100
"""Maximum parameters of a query string; more are refused before any is decoded."""


def read_query(query: bytes) -> dict[str, str]:
    """The parameters of a query string, in order; one without a value is the empty string. Raises RestError (400)."""
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except UnicodeDecodeError:
        raise bad_request("the query string is not UTF-8") from None
    except ValueError:
        raise bad_request(f"a query string may have {MAX_PARAMETERS} parameters") from None
    return distinct(pairs, "query parameter")
