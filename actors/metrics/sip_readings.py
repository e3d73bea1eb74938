"""The families about SIP: what its endpoint counts."""

from collections.abc import Mapping
from itertools import product
from typing import Final

from actors.calls.sip.endpoint import SipEndpoint
from actors.metrics.exposition import Readings
from protocol.metrics.labels import Labels
from protocol.sip.accounts.account_states import RegistrationState
from protocol.sip.traffic import CLASSES, IN, OUT

_DIRECTIONS: Final = (IN, OUT)


def sip_readings(endpoint: SipEndpoint) -> Readings:
    """Each label that alarms are about is there from the start, at 0."""
    counts, traffic, access = endpoint.transport.counts, endpoint.traffic, endpoint.access
    accounts, (clients, servers) = endpoint.accounts.counts(), endpoint.transaction_counts
    dropped = {"strange": counts.strange, "flooding": counts.flooding, "malformed": counts.malformed}
    requests: dict[Labels, float] = {each: traffic.requests[each] for each in traffic.requests}
    responses: dict[Labels, float] = {each: traffic.responses[each] for each in product(_DIRECTIONS, CLASSES)}
    return {
        "wcsd_sip_registrations": _labelled({state.value: accounts[state] for state in RegistrationState}),
        "wcsd_sip_registrations_failed_total": counts.registrations_failed,
        "wcsd_sip_transactions": _labelled({"client": clients, "server": servers}),
        "wcsd_sip_connections": endpoint.transport.connection_count,
        "wcsd_sip_requests_total": requests,
        "wcsd_sip_responses_total": responses,
        "wcsd_sip_retransmissions_total": _labelled({each: traffic.repeated[each] for each in _DIRECTIONS}),
        "wcsd_sip_dropped_total": _labelled(dropped),
        "wcsd_sip_unsent_total": counts.unsent,
        "wcsd_sip_overloaded_total": endpoint.overloaded_count,
        "wcsd_sip_denied_total": access.denied,
        "wcsd_sip_calls_refused_total": endpoint.arrivals.refused,
    }


def _labelled(counts: Mapping[str, int]) -> dict[Labels, float]:
    return {(label,): count for label, count in counts.items()}
