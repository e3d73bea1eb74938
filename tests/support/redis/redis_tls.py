"""What a Redis or a Sentinel is told so that it takes TLS alone."""

from collections.abc import Mapping
from pathlib import Path

import trustme

AUTHORITIES = "ca.pem"
"""The file of the folder that says whom to trust."""


def tls_options(folder: Path, authority: trustme.CA, *names: str) -> Mapping[str, str]:
    """Its options besides the port, with a certificate for these names; its files are put into the folder."""
    certificate, authorities = folder / "redis.pem", folder / AUTHORITIES
    authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(authorities))
    return {
        "tls-cert-file": str(certificate),
        "tls-key-file": str(certificate),
        "tls-ca-cert-file": str(authorities),
        "tls-auth-clients": "no",
        "tls-replication": "yes",
    }
