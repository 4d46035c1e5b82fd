"""Certificates that this machine trusts: the system's, those of certifi, and an organization's own."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path

import certifi

_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT")
"""Variables with which a person names certificates, such as those of an organization's proxy that inspects TLS."""
_ONE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def bundle(ca: bytes) -> bytes:
    """Return the contents of a certificate file: everything that this machine trusts, each once, and another CA.

    Args:
        ca: The CA's certificate, as PEM.
    """
    found: dict[bytes, bytes] = {}
    for content in (*_system(), *_files()):
        for one in _ONE.findall(content):
            try:
                found.setdefault(ssl.PEM_cert_to_DER_cert(one.decode("ascii")), one)
            except ValueError:
                # Such files also contain other things than certificates.
                continue
    return b"\n".join([*found.values(), ca])


def _system() -> list[bytes]:
    context = ssl.create_default_context()
    certificates = [ssl.DER_cert_to_PEM_cert(each).encode() for each in context.get_ca_certs(binary_form=True)]
    return [b"\n".join(certificates)]


def _files() -> list[bytes]:
    places = [certifi.where(), *(os.environ.get(each, "") for each in _VARIABLES)]
    contents = []
    for place in places:
        try:
            contents.append(Path(place).read_bytes() if place else b"")
        except OSError:
            # A folder, or a missing file: clients that read it find nothing either.
            continue
    return contents
