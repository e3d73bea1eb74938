"""`test app`: a marked hook to an application's backend, and a report of how far it got."""

from collections.abc import Callable

from attrs import frozen

from actors.hooks.echo import is_echo
from actors.hooks.trial import HookTrial, TrialFailed, TrialReport
from actors.operator.commands.apps import app_by_name
from config.apps import App, AppTable
from config.settings import Settings
from protocol.hooks import HookMethod
from protocol.operator.commands import TryApp
from protocol.operator.messages import Answer, Done, ErrorKind, NotDone


@frozen(kw_only=True)
class AppTrials:
    """Carries them out. `table`: the applications there are."""

    table: Callable[[], AppTable]
    settings: Settings
    node_id: str

    async def execute(self, command: TryApp) -> Answer:
        """What came of it. AppError if there is no such application."""
        app = app_by_name(command.app, self.table())
        report = await self.run(app, command.method)
        if not report.is_ok:
            done = "".join(f"\n{step.name}: {step.result} ({step.milliseconds} ms)" for step in report.steps)
            return NotDone(error=ErrorKind.REFUSED, message=f"{report.message}{done}")
        rows = [{"step": step.name, "result": step.result, "ms": step.milliseconds} for step in report.steps]
        return Done(rows=rows, message=report.message, facts={"app": app.key} if rows else {})

    async def run(self, app: App, method: HookMethod) -> TrialReport:
        """Send the hook; none to a backend that is built in."""
        if is_echo(app.url):
            built_in = f"application {app.name!r} has a backend that is built in: it agrees to everything"
            return TrialReport(is_ok=True, message=built_in)
        trial = HookTrial(app=app, method=method, settings=self.settings, node_id=self.node_id)
        try:
            await trial.run()
        except TrialFailed as error:
            message = f"{app.method_url(method)}: {error}"
            return TrialReport(is_ok=False, message=message, steps=tuple(trial.steps))
        return TrialReport(is_ok=True, message=self._reservations(app, method), steps=tuple(trial.steps))

    def _reservations(self, app: App, method: HookMethod) -> str:
        """Why real hooks would not be sent nevertheless."""
        if self.settings.disable_rest_requests:
            return "real hooks are not sent: disable_rest_requests is on"
        if method not in app.methods:
            return f"{app.name} is not called by {method} otherwise; see 'add app-rest-method'"
        return ""
