"""What the commands about applications do: each takes a table, and returns a table and the answer."""

import secrets
import time
from collections.abc import Iterable

from config.apps import ALL_METHODS, USUAL_METHODS, App, AppError, AppTable, check_method
from protocol.common.suggestions import did_you_mean, shortened
from protocol.hooks.webhook_signature import SECRET_BYTES, new_secret
from protocol.operator.commands import (
    AddApp,
    AddAppRestMethods,
    AppCommand,
    Help,
    RemoveApp,
    RemoveAppRestMethods,
    RemoveSecret,
    RotateSecret,
    ShowAppRestMethods,
    ShowApps,
    ShowRestMethods,
    UpdateApp,
)
from protocol.operator.messages import Done, Row
from protocol.operator.syntax import help_text

Result = tuple[AppTable, Done]


def execute(command: AppCommand, table: AppTable) -> Result:
    """The table after the command, and the answer for the operator. AppError if it cannot be done."""
    match command:
        case ShowApps(detail=detail):
            return table, _show_apps(table, detail)
        case AddApp():
            return _add_app(command, table)
        case UpdateApp():
            return _update_app(command, table)
        case RemoveApp(name=name):
            return _remove_app(name, table)
        case RotateSecret() | RemoveSecret():
            return _change_secret(command, app_by_name(command.app, table), table)
        case ShowRestMethods():
            return table, _show_methods(ALL_METHODS)
        case ShowAppRestMethods(app=app):
            return table, _show_methods(_app_by_key(app, table).ordered_methods)
        case AddAppRestMethods() | RemoveAppRestMethods():
            return _change_methods(command, table)
        case Help(about=about):
            return table, Done(message=help_text(about))


def _show_apps(table: AppTable, detail: bool) -> Done:
    if not table.apps:
        return Done(message="there are no applications")
    return Done(rows=[_detail_row(app) if detail else _row(app) for app in table.apps])


def _row(app: App) -> Row:
    return {"name": app.name, "key": app.key, "url": app.url, "methods": len(app.methods)}


def _detail_row(app: App) -> Row:
    return {
        "name": app.name,
        "key": app.key,
        "url": app.url,
        "rest_username": app.rest_username,
        "rest_password": app.rest_password is not None,  # never the password itself
        "webhook_secret": app.webhook_secret is not None,
        "on_breaker": app.breaker_reaction,
        "spool": app.keep_policy,
        "owner": app.owner,
        "main_class": app.main_class,
        "callback_class": app.callback_class,
        "rooms": app.rooms,
        "methods": app.ordered_methods,
    }


def _show_methods(methods: Iterable[str]) -> Done:
    rows: list[Row] = [{"method": method} for method in methods]
    return Done(rows=rows, message="" if rows else "no REST methods")


def _add_app(command: AddApp, table: AppTable) -> Result:
    said = command.fields.given_fields()
    app = App(name=command.name, key=command.key, url=command.url).with_fields(**said)
    present = table.by_name(app.name)
    if present is None:
        return table.added(app), Done(message=f"application {app.name!r} added{_without(app)}", changed=True)
    differing = [name for name in ("key", "url", *said) if getattr(present, name) != getattr(app, name)]
    if differing:
        raise AppError(
            f"application {app.name!r} is there already, with another {', '.join(differing)}; change it by 'update app'"
        )
    return table, Done(message=f"application {app.name!r} is there already")


def _without(app: App) -> str:
    return "" if app.methods else ", without REST methods"


def _update_app(command: UpdateApp, table: AppTable) -> Result:
    app = app_by_name(command.name, table)
    updated = app.with_fields(**command.fields.given_fields())
    if updated == app:
        return table, Done(message=f"application {app.name!r} is like that already")
    return table.replaced(app, updated), Done(message=f"application {app.name!r} updated", changed=True)


def _remove_app(name: str, table: AppTable) -> Result:
    app = table.by_name(name) or table.by_key(name)
    if app is None:
        return table, Done(message=f"no application {shortened(name)}{_meant(name, table)}; nothing to remove")
    return table.removed(app), Done(message=f"application {app.name!r} removed", changed=True)


def _change_secret(command: RotateSecret | RemoveSecret, app: App, table: AppTable) -> Result:
    if isinstance(command, RemoveSecret):
        return _remove_secret(app, table)
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    changed = app.with_new_secret(secret, now=time.time(), overlap=command.overlap)
    until = changed.old_webhook_secret_until
    message = f"hooks of application {app.name!r} are signed with a new secret"
    if until is not None:
        message += f"; with the one before too until {until}"
    # The message is logged; the secret is not in it.
    return table.replaced(app, changed), Done(rows=[{"secret": secret}], message=message, changed=True)


def _remove_secret(app: App, table: AppTable) -> Result:
    if app.webhook_secret is None:
        return table, Done(message=f"application {app.name!r} has no secret; nothing to remove")
    changed = app.with_fields(webhook_secret=None, old_webhook_secret=None, old_webhook_secret_until=None)
    message = f"hooks of application {app.name!r} are not signed any more"
    return table.replaced(app, changed), Done(message=message, changed=True)


def _change_methods(command: AddAppRestMethods | RemoveAppRestMethods, table: AppTable) -> Result:
    is_added = isinstance(command, AddAppRestMethods)
    combine = frozenset[str].union if is_added else frozenset[str].difference
    # What happened to a method that was touched, and to one that was not:
    outcomes = ("added", "there already") if is_added else ("removed", "not there")
    app = _app_by_key(command.app, table)
    for method in command.methods:
        check_method(method)
    named = frozenset(command.methods or (USUAL_METHODS if is_added else ALL_METHODS))
    methods = combine(app.methods, named)
    touched = methods ^ app.methods
    told = [(outcomes[0], touched), (outcomes[1], named - touched)]
    message = f"{app.name}: " + "; ".join(f"{', '.join(_ordered(some))} {what}" for what, some in told if some)
    if not touched:
        return table, Done(message=message)
    return table.replaced(app, app.with_fields(methods=methods)), Done(message=message, changed=True)


def _ordered(methods: frozenset[str]) -> list[str]:
    return [method for method in ALL_METHODS if method in methods]


def _app_by_key(identifier: str, table: AppTable) -> App:
    """The application with this key or, failing that, with this name."""
    return _found(table.by_key(identifier) or table.by_name(identifier), identifier, table)


def app_by_name(identifier: str, table: AppTable) -> App:
    """The application with this name or, failing that, with this key. AppError if there is none."""
    return _found(table.by_name(identifier) or table.by_key(identifier), identifier, table)


def _found(app: App | None, identifier: str, table: AppTable) -> App:
    if app is None:
        raise AppError(f"unknown application {shortened(identifier)}{_meant(identifier, table)}")
    return app


def _meant(identifier: str, table: AppTable) -> str:
    return did_you_mean(identifier, [word for app in table.apps for word in (app.name, app.key)])
