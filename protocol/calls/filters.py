"""The filter that selects calls."""

from attrs import frozen

from protocol.calls.description import CallDescription


@frozen(kw_only=True)
class CallFilter:
    """Conditions on calls, combined with AND; None matches everything. See `protocol.node.filters`."""

    call_id: str | None = None
    callee: str | None = None
    status: str | None = None
    session_id: str | None = None
    app_key: str | None = None
    app_keys: frozenset[str] | None = None
    """The applications that a caller of REST is bound to; see `Identity.apps`."""

    def matches(self, call: CallDescription) -> bool:
        """Whether `call` fulfils every condition given."""
        return (
            self.call_id in (None, call.call_id)
            and self.callee in (None, call.callee)
            and self.status in (None, call.status)
            and self.session_id in (None, call.session_id)
            and self.app_key in (None, call.app_key)
            and (self.app_keys is None or call.app_key in self.app_keys)
        )
