"""`test app`: a marked hook to an application's backend, and a report of how far it got."""

from collections.abc import Callable

from attrs import frozen

from actors.hooks.echo import is_echo
from actors.hooks.trial import HookTrial, TrialFailed
from actors.operator.execute import app_by_name
from config.apps import App, AppTable
from config.settings import Settings
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
        if is_echo(app.url):
            return Done(message=f"application {app.name!r} has a backend that is built in: it agrees to everything")
        trial = HookTrial(app=app, method=command.method, settings=self.settings, node_id=self.node_id)
        try:
            await trial.run()
        except TrialFailed as error:
            done = "".join(f"\n{step.name}: {step.result} ({step.milliseconds} ms)" for step in trial.steps)
            return NotDone(error=ErrorKind.REFUSED, message=f"{app.method_url(command.method)}: {error}{done}")
        rows = [{"step": step.name, "result": step.result, "ms": step.milliseconds} for step in trial.steps]
        return Done(rows=rows, message=self._reservations(app, command), facts={"app": app.key})

    def _reservations(self, app: App, command: TryApp) -> str:
        """Why real hooks would not be sent nevertheless."""
        if self.settings.disable_rest_requests:
            return "real hooks are not sent: disable_rest_requests is on"
        if command.method not in app.methods:
            return f"{app.name} is not called by {command.method} otherwise; see 'add app-rest-method'"
        return ""
