"""What a page sends to have a fault found: `sessionDebug`, `pushLogs`, `submitBugReport`.

All of it goes to the backend. While a session is debugged, its log lines and its page's are gathered for a report.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import trio
from attrs import frozen

from actors.session.requests.backend_requests import BackendRequests
from actors.session.requests.debug_reports import DebugReport, DebugReports
from actors.session.requests.websdk_owner import SessionOwner
from actors.stream import Stream
from config.version import VERSION
from protocol.common.rate_limit import RateLimit
from protocol.hooks import Allow, HookMethod, Verdict
from protocol.node.descriptions import StreamDescription
from protocol.signaling.frames import (
    Connection,
    Fail,
    NotifySessionDebugEvent,
    PushLogs,
    SessionDebug,
    SubmitBugReport,
)

REPORTS_PER_SECOND: Final = 1 / 60
REPORTS_AT_ONCE: Final = 5
"""Reports of one session."""
MAX_PAGE_LINES: Final = 500
"""Lines of one `pushLogs`; of more, the last."""
MAX_PAGE_LINE: Final = 2000
"""Characters of each."""
_MAX_STREAMS: Final = 100
_SECRETS: Final = re.compile(
    r"(a=ice-pwd:|a=crypto:|\"?(?:authToken|token|password|secret)\"?\s*[:=]\s*)[^\s,;}&]+", re.IGNORECASE
)

Diagnosis = SessionDebug | PushLogs | SubmitBugReport


@frozen
class Debugging:
    """The reports, and what the page said of itself."""

    reports: DebugReports
    client: Mapping[str, str | None]


def debugging_of(reports: DebugReports | None, connection: Connection) -> Debugging | None:
    """None for a server without reports."""
    if reports is None:
        return None
    client = {
        "version": connection.client_version,
        "os": connection.client_os_version,
        "browser": connection.client_browser_version,
    }
    return Debugging(reports, client)


class Diagnostics:
    """Those of one session."""

    def __init__(
        self,
        owner: SessionOwner,
        backend: BackendRequests,
        debugging: Debugging | None,
        streams: Mapping[str, Stream],
    ) -> None:
        self._owner = owner
        self._backend = backend
        self._debugging = debugging
        self._streams = streams
        self._rate = RateLimit(REPORTS_PER_SECOND, REPORTS_AT_ONCE)

    def take(self, frame: Diagnosis) -> None:
        """Pass it to the backend, and go on if that allows it."""
        method, fields = _hook_of(frame)

        def decided(verdict: Verdict) -> None:
            if isinstance(verdict, Allow):
                self._do(frame)
            else:
                self._owner.send(Fail(api_method=frame.message, info=verdict.info))

        self._backend.ask(method, {**fields, **self._owner.context.body()}, decided)

    def end(self) -> None:
        """The session is over: what was gathered is written."""
        if self._debugging is not None:
            self._debugging.reports.end(self._session_id, "the session is over")

    @property
    def _session_id(self) -> str:
        return self._owner.context.session_id

    def _do(self, frame: Diagnosis) -> None:
        match frame:
            case SessionDebug(command="start"):
                self._start()
                self._owner.send(NotifySessionDebugEvent(status="STARTED"))
            case SessionDebug():
                if self._debugging is None or not self._debugging.reports.end(self._session_id, "by the page"):
                    self._stopped(None)
            case PushLogs() if self._debugging is not None:
                report = self._debugging.reports.get(self._session_id)
                if report is not None:
                    _note_page_lines(report, frame.logs)

    def _start(self) -> None:
        if self._debugging is None or self._debugging.reports.get(self._session_id) is not None:
            return
        if self._rate.take(trio.current_time()):
            self._debugging.reports.begin(self._session_id, self._summary, self._stopped)
        else:
            self._debugging.reports.refused(self._session_id, f"{REPORTS_AT_ONCE} of a session, and one a minute")

    def _stopped(self, file: str | None) -> None:
        self._owner.send(NotifySessionDebugEvent(status="STOPPED", file=file))

    def _summary(self) -> str:
        context = self._owner.context
        facts = {
            "server": f"wcsd {VERSION}",
            "node": context.node_id,
            "session": context.session_id,
            "application": context.app_key,
            "client": {} if self._debugging is None else self._debugging.client,
        }
        lines = [f"{name}: {json.dumps(fact)}" for name, fact in facts.items()]
        shown = list(self._streams.values())[:_MAX_STREAMS]
        lines.append(f"streams: {len(self._streams)}")
        lines.extend(f"stream: {json.dumps(_stream_facts(stream.describe()))}" for stream in shown)
        return "\n".join(lines)


def _hook_of(frame: Diagnosis) -> tuple[HookMethod, dict[str, Any]]:
    match frame:
        case SessionDebug():
            return HookMethod.SESSION_DEBUG, {"command": frame.command}
        case PushLogs():
            return HookMethod.PUSH_LOGS, {"logs": frame.logs}
        case SubmitBugReport():
            report = frame.report
            return HookMethod.SUBMIT_BUG_REPORT, report if isinstance(report, dict) else {"report": report}


def _note_page_lines(report: DebugReport, logs: str) -> None:
    *earlier, last = logs[-MAX_PAGE_LINES * MAX_PAGE_LINE :].rstrip("\n").rsplit("\n", MAX_PAGE_LINES)
    for line in (*earlier[1:], last) if len(earlier) == MAX_PAGE_LINES else (*earlier, last):
        shown = _SECRETS.sub(r"\1***", line[:MAX_PAGE_LINE])
        report.note(f"PAGE {''.join(c if c.isprintable() else ' ' for c in shown)}")


def _stream_facts(stream: StreamDescription) -> dict[str, Any]:
    """Without the SDP, which has the password of ICE in it."""
    traffic = stream.traffic
    return {
        "mediaSessionId": stream.media_session_id,
        "name": stream.name,
        "published": stream.published,
        "status": stream.status,
        "info": stream.info,
        "created": stream.create_date,
        "audioCodec": stream.audio_codec,
        "videoCodec": stream.video_codec,
        "transport": stream.transport,
        "width": stream.width,
        "height": stream.height,
        "viewers": stream.viewers,
        "packets": traffic and traffic.packets,
        "bytes": traffic and traffic.bytes,
        "kbps": traffic and traffic.bitrate_kbps,
        "lost": traffic and traffic.lost,
        "nacks": traffic and traffic.nacks,
        "plis": traffic and traffic.plis,
        "roundTripMs": traffic and traffic.round_trip_ms,
    }
