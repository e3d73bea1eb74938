"""The log, the audit file, memory and the end."""

from pathlib import Path

from attrs import frozen

from config.setting import DAY_MS, TIMEOUT, LogFormat, LogLevel, setting
from config.values.kinds import Boolean, Choice, Duration, File


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class ProcessSettings:
    """The log, the audit file, memory and the end."""

    log_format: LogFormat = setting(
        "log.format", Choice(LogFormat), "text", "How log lines are written.",
        heading="The process")
    log_level: LogLevel = setting(
        "log.level", Choice(LogLevel), "info", "The minimum level of the log lines to write.")
    audit_file: Path | None = setting(
        "audit.file", File(), "", "Where it is written who did what. Empty: audit.jsonl in the state folder.",
        live=False)
    huge_pages: bool = setting(
        "huge_pages", Boolean(), "true",
        "Keep the server's own memory in huge pages, where Linux can (6.1 or later): media costs a twentieth less.",
        live=False)
    shutdown_timeout: float = setting(
        "shutdown_timeout", TIMEOUT, "10000", "How long an orderly shutdown may take before the process ends anyway.")
    shutdown_drain_timeout: float = setting(
        "shutdown_drain_timeout", Duration("ms", 0, DAY_MS), "0",
        "How long the server drains when a signal stops it: no new publications, until the last one has ended. 0: not.")
# fmt: on
