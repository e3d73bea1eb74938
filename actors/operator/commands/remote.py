"""Operators who come through the SSH helper: who may log in, and for whom commands are carried out."""

from attrs import frozen

from actors.access.control import AccessControl
from protocol.access.accounts import User
from protocol.access.credentials import Basic
from protocol.access.refusals import LoginRefused
from protocol.access.roles import Role
from protocol.operator.callers import NotPermitted, Operator
from protocol.operator.messages import Answer, Done, ErrorKind, Login, NotDone, RemoteUser


@frozen(kw_only=True)
class RemoteOperators:
    """Compares their passwords: the same ones as for REST, and held back by the same count of failures."""

    access: AccessControl

    async def log_in(self, login: Login) -> Answer:
        """Whether the user may come in. The keys of users are compared by the helper."""
        try:
            user = await self._identify(login)
        except LoginRefused as refusal:
            who = f"user {refusal.user}" if refusal.user else "somebody"
            self.access.audit.refused(who=who, source=_source(login.user), what="ssh", result=refusal.message)
            return NotDone(error=ErrorKind.REFUSED, message=refusal.message)
        operator = _operator(user, login.user)
        self.access.audit.done(who=operator.who, source=operator.source, what="ssh", result="logged in")
        return Done(message=f"role {user.role}")

    async def _identify(self, login: Login) -> User:
        if login.password is not None:
            return await self.access.passwords.log_in(Basic(login.user.name, login.password), login.user.address)
        user = self._active(login.user)
        if user is None:
            raise LoginRefused("no active user has this name")
        return user

    def somebody(self, remote: RemoteUser) -> Operator:
        """The one who gives a command that is refused; the name is that of a user who once was one."""
        return Operator(who=_who(remote), source=_source(remote), role=Role.METRICS, is_remote=True)

    def operator(self, remote: RemoteUser) -> Operator:
        """Who gives a command now. NotPermitted for a user who was removed or barred meanwhile."""
        user = self._active(remote)
        if user is None:
            raise NotPermitted("this user may not log in any more")
        return _operator(user, remote)

    def _active(self, remote: RemoteUser) -> User | None:
        user = self.access.store.table.user(remote.name)
        return user if user is not None and user.is_active else None


def _operator(user: User, remote: RemoteUser) -> Operator:
    return Operator(
        who=_who(remote),
        source=_source(remote),
        role=user.role,
        apps=user.apps,
        is_remote=True,
    )


def _who(remote: RemoteUser) -> str:
    return f"{'ssh-key' if remote.by_key else 'user'} {remote.name}"


def _source(remote: RemoteUser) -> str:
    return f"ssh {remote.address[:64]}"
