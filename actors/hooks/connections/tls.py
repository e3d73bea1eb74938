"""Trust in https backends."""

import ssl
from pathlib import Path


def client_context(ca_file: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """What to trust: the certificates of `ca_file`, or the system's; any certificate if `insecure`.

    Raises OSError (ssl.SSLError is one) if the file cannot be read as PEM.
    """
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
