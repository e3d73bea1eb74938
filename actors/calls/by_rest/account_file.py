"""The operator's file of SIP accounts, read anew for each call, so that a change counts from the next one on."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio

from actors.runtime.logs import get_logger
from config.tables.sip_accounts import NamedSipAccount, SipAccountsError, read_sip_accounts
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.order import SipLogin

SETTING: Final = "sip.accounts_file"
MAX_SIZE: Final = 1 << 20
"""Bytes of the file."""

log = get_logger("calls")


async def named_account(path: Path | None, name: str, app_key: str) -> SipLogin:
    """The account of this name, for calls of an application. Raises CallRefused, whose `detail` may be the setting."""
    if path is None:
        raise CallRefused(CallInfo.NO_ACCOUNT_FILE, SETTING, sip_status=503)
    try:
        accounts = await trio.to_thread.run_sync(_read, path)
    except (OSError, ValueError) as error:
        log.error("the file of SIP accounts cannot be used", file=str(path), why=str(error))
        raise CallRefused(CallInfo.BAD_ACCOUNT_FILE, SETTING, sip_status=503) from None
    account = accounts.get(name)
    if account is None or (account.apps is not None and app_key not in account.apps):
        raise CallRefused(CallInfo.UNKNOWN_ACCOUNT, sip_status=404)
    return account.login


def _read(path: Path) -> Mapping[str, NamedSipAccount]:
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise SipAccountsError("it is no file")
        if about.st_mode & 0o077:
            raise SipAccountsError("others may read or change it; its mode must be 0600")
        data = file.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise SipAccountsError(f"it has more than {MAX_SIZE} bytes")
    return read_sip_accounts(data.decode())
