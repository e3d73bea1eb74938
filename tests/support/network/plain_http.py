"""One request over plain HTTP, by no proxy.

httpx by itself reads the certificates of all authorities for each of these, which takes 40 ms of a core; and those who
wait for a change ask again and again.
"""

from functools import partial

import httpx

get = partial(httpx.get, verify=False, trust_env=False, timeout=60)
post = partial(httpx.post, verify=False, trust_env=False, timeout=60)
delete = partial(httpx.delete, verify=False, trust_env=False, timeout=60)


def answers(url: str) -> bool:
    """Whether a GET succeeds. While a server starts, ends or has too much to do, it may refuse or reset connections."""
    try:
        return get(url).is_success
    except httpx.TransportError:
        return False
