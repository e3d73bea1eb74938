"""Choosing the packet sender: the fast one where it passes its self-test, else the portable one."""

from actors.media.sending.self_test import SelfTestFailed, prove
from actors.media.sending.sender import PacketSender, PortableSender
from actors.runtime.logs import get_logger
from config.settings import MediaSender

log = get_logger("media")


def choose_sender(choice: MediaSender, *, for_nodes: bool = False) -> PacketSender:
    """The sender for this process, by the setting `media.sender`; the log names it and the reason.

    `for_nodes`: it is to send to other nodes, too. Raises ValueError, worded for the operator, when the fast one is
    required and does not work here.
    """
    sender = _choose(choice, for_nodes=for_nodes)
    log.info("media sender chosen", sender=sender.name, reason=sender.reason)
    return sender


def _choose(choice: MediaSender, *, for_nodes: bool) -> PacketSender:
    if choice is MediaSender.PORTABLE:
        return PortableSender("set by media.sender")
    try:
        return _proven_fast_sender(for_nodes=for_nodes)
    except SelfTestFailed as failure:
        if choice is MediaSender.FAST:
            raise ValueError(f"media.sender=fast does not work here: {failure}") from failure
        return PortableSender(f"the fast one failed its test: {failure}")


def _proven_fast_sender(*, for_nodes: bool) -> PacketSender:
    try:
        # Imported here: it needs names of pylibsrtp and of the C library that may be missing.
        from actors.media.sending.fast_sender import FastSender
    except (ImportError, AttributeError, OSError) as error:
        raise SelfTestFailed(f"{type(error).__name__}: {error}") from error
    prove(FastSender, for_nodes=for_nodes)
    return FastSender("passed its test against the portable one")
