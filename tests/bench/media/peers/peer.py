"""One end of a WebRTC transport, driven by its owner: real ICE checks, a real DTLS handshake, SRTP keys from it.

It plays the browser's part: sends checks with USE-CANDIDATE to the server's one candidate, begins the DTLS handshake at
the first answer, and keeps consent alive.
"""

import contextlib
import math
import secrets
import socket
import time

import trio

from protocol.common.errors import ProtocolError
from protocol.webrtc import stun
from protocol.webrtc.demux import Datagram
from protocol.webrtc.dtls import DtlsContext, DtlsEndpoint
from protocol.webrtc.dtls_state import DtlsState
from protocol.webrtc.srtp import SrtpProfile, SrtpReceiver, SrtpTransmitter
from tests.bench.media.peers.clocks import SO_TIMESTAMPNS
from tests.bench.media.peers.descriptions import Local, Remote

FIRST_CHECKS = 0.05
"""Seconds between checks until one is answered; Chromium's are 48 ms."""
CONSENT_CHECKS = 2.5
HELLO_INTERVAL = 0.05
"""Seconds until a ClientHello that nobody answered is sent again, as browsers do; OpenSSL alone would wait a second."""

_SO_RCVBUFFORCE = 33  # Linux; the socket module has no name for it
_RECEIVE_BUFFER = 1 << 20

BUFFER = bytearray(2048)
BUFFERS = [BUFFER]
"""What every datagram of the process is received into."""


class Peer:
    """`local` goes into a description, `accept` takes the server's; then `drain` and `on_time` drive it."""

    def __init__(self, host: str, context: DtlsContext) -> None:
        self.udp = _open_socket(host)
        self.local = Local(
            ufrag=secrets.token_hex(4),
            pwd=secrets.token_hex(12),
            fingerprint=context.fingerprint,
            address=self.udp.getsockname(),
        )
        self.deadline = math.inf
        """When `on_time` is due, in seconds of CLOCK_MONOTONIC."""
        self.connected = trio.Event()
        self.profile: SrtpProfile | None = None
        self.problems: list[str] = []
        self.remote: Remote | None = None
        self.receiver: SrtpReceiver | None = None
        self.transmitter: SrtpTransmitter | None = None
        self._context = context
        self._dtls: DtlsEndpoint | None = None
        self._check_at = self._hello_at = math.inf
        self._hello: list[bytes] = []
        self._tie_breaker = secrets.randbits(64)

    # -- for the owner -------------------------------------------------------------------------------------------

    def accept(self, description: str) -> None:
        """Take the server's offer or answer, and send the first check."""
        self.remote = Remote.parse(description, self.local.address[0])

    def start(self) -> None:
        """Send the first check; `accept` comes before."""
        self._check_at = 0.0
        self.on_time(time.monotonic())

    def close(self) -> None:
        """Say close_notify as far as there is a connection, and close the socket."""
        if self._dtls is not None:
            self._dtls.close()
            self._flush(self._dtls)
        self._check_at = self.deadline = math.inf
        self.udp.close()

    def on_time(self, now: float) -> None:
        """Do what is due."""
        if now >= self._check_at:
            self._check_at = now + (FIRST_CHECKS if self._dtls is None else CONSENT_CHECKS)
            self._send_check()
        if now >= self._hello_at:
            self._hello_at = now + HELLO_INTERVAL
            self._send_all(self._hello)
        if self._dtls is not None and self._dtls.next_timeout() == 0:
            self._dtls.handle_timeout()
            self._flush(self._dtls)
        self._reschedule(now)

    def drain(self) -> None:
        """Take every datagram that has arrived."""
        while True:
            try:
                size = self.udp.recv_into(BUFFER)
            except BlockingIOError:
                return
            self.take(bytes(BUFFER[:size]))

    def send_rtcp(self, packet: bytes) -> None:
        if self.transmitter is not None:
            self.send(self.transmitter.protect_rtcp(packet))

    def send(self, datagram: bytes) -> None:
        """Send one datagram as it is; one that finds no room is lost."""
        if self.remote is not None:
            with contextlib.suppress(BlockingIOError):
                self.udp.sendto(datagram, self.remote.address)

    # -- what arrives --------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """One datagram of any kind but media."""
        try:
            kind = Datagram.of(data)
            if kind is Datagram.STUN:
                self._take_stun(stun.parse(data))
            elif kind is Datagram.DTLS and self._dtls is not None:
                self._hello_at = math.inf
                self._dtls.feed(data)
                self._follow(self._dtls)
            elif kind is Datagram.RTCP and self.receiver is not None:
                self.on_rtcp(self.receiver.unprotect_rtcp(data))
        except ProtocolError as error:
            self.problems.append(error.message)

    def on_rtcp(self, plain: bytes) -> None:
        """A decrypted RTCP packet has come; for subclasses."""

    def _take_stun(self, message: stun.StunMessage) -> None:
        remote, own_key = self.remote, self.local.pwd.encode()
        if remote is None:
            return
        if message.kind is stun.StunClass.REQUEST and message.verify(own_key):  # from a server that is not ICE-lite
            self.send(stun.build_response(message, remote.address, own_key))
        elif message.kind is stun.StunClass.RESPONSE and message.verify(remote.pwd.encode()) and self._dtls is None:
            now = time.monotonic()
            self._dtls = DtlsEndpoint(self._context, [remote.fingerprint], role="client")
            self._hello = self._dtls.take_datagrams()
            self._send_all(self._hello)
            self._hello_at, self._check_at = now + HELLO_INTERVAL, now + CONSENT_CHECKS
            self._reschedule(now)

    def _follow(self, dtls: DtlsEndpoint) -> None:
        self._flush(dtls)
        if dtls.keys is not None and self.receiver is None:
            self.profile = dtls.keys.profile
            self.receiver, self.transmitter = SrtpReceiver(dtls.keys), SrtpTransmitter(dtls.keys)
            self.connected.set()
        elif dtls.state is DtlsState.FAILED:
            self.problems.append(f"DTLS: {dtls.detail}")
        if dtls.state in (DtlsState.CLOSED, DtlsState.FAILED):
            self._check_at = math.inf
        self._reschedule(time.monotonic())

    # -- inside --------------------------------------------------------------------------------------------------

    def _reschedule(self, now: float) -> None:
        timeout = self._dtls.next_timeout() if self._dtls is not None else None
        self.deadline = min(self._check_at, self._hello_at, math.inf if timeout is None else now + timeout)

    def _flush(self, dtls: DtlsEndpoint) -> None:
        self._send_all(dtls.take_datagrams())

    def _send_all(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.send(datagram)

    def _send_check(self) -> None:
        remote = self.remote
        if remote is None:
            return
        self.send(
            stun.build_request(
                transaction_id=secrets.token_bytes(12),
                username=f"{remote.ufrag}:{self.local.ufrag}",
                key=remote.pwd.encode(),
                priority=1_845_501_695,
                tie_breaker=self._tie_breaker,
                use_candidate=True,
            )
        )


def _open_socket(host: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except OSError:  # not root
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    opened.setblocking(False)
    opened.bind((host, 0))
    return opened
