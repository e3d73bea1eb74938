"""Opens what access control needs: the file of users and tokens, and the audit file."""

from functools import partial

from actors.access.audit import AuditLog, open_audit_file
from actors.access.control import AccessControl
from actors.runtime.log_writer import LineWriter
from actors.storage.account_store import open_account_store
from actors.storage.state_folder import StateFolder
from config.rest_auth import requires_login
from config.settings import Settings


def open_access(settings: Settings, state: StateFolder) -> tuple[AccessControl, LineWriter]:
    """Access control, and the writer of the audit file, which the caller closes.

    Raises AccountFileError or TableStoreError if the file of users cannot be used.
    """
    accounts = open_account_store(state.accounts_path)
    writer = open_audit_file(settings.audit_file or state.audit_path)
    return AccessControl(accounts, policy=partial(requires_login, settings), audit=AuditLog(writer.write)), writer
