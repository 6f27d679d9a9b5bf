"""Encrypted connections of scheduler, workers and client, authenticated by the certificate of the run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed import Scheduler, Worker
from distributed.security import Security

LOOPBACK = "127.0.0.1"
CERTIFICATE, KEY = "cert.pem", "key.pem"
PREFIX = "tls-"
"""Prefix of folders with certificates."""
MAX_CLOCK_DIFFERENCE = timedelta(days=1)
"""Maximum difference between the clocks of the machines of a run."""
LIFETIME = timedelta(days=3650)
NO_ROUTES: Mapping[str, Any] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""Settings of Dask for web servers without pages."""


class NoHttpScheduler(Scheduler):
    """A scheduler without the web server of Dask, which has no access control."""

    def start_http_server(self, *args: object, **kwargs: object) -> None:
        """Do not start a server."""


class NoHttpWorker(Worker):
    """A worker without a web server."""

    def start_http_server(self, *args: object, **kwargs: object) -> None:
        """Do not start a server."""


@contextmanager
def run_certificates(parent: Path) -> Iterator[Path]:
    """A temporary folder below ``parent`` with the certificate of a run.

    Only the current user can read the folder and its files (modes 0700 and 0600). Scheduler, workers and client use the
    same self-signed certificate, which is also the only authority that they accept: without access to the folder,
    nobody can connect or read the traffic.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        _write_certificate(folder)
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def security(folder: Path, kind: type[Security] = Security) -> Security:
    """Security settings of Dask, of class ``kind``, with the certificate of a folder for all roles."""
    certificate, key = str(folder / CERTIFICATE), str(folder / KEY)
    roles = {
        f"tls_{role}_{part}": path
        for role in ("client", "scheduler", "worker")
        for part, path in (("cert", certificate), ("key", key))
    }
    return kind(require_encryption=True, tls_ca_file=certificate, **roles)


def remove_left_over(parent: Path) -> None:
    """Remove the certificates of runs that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        if folder.is_dir() and not folder.is_symlink():
            rmtree(folder, ignore_errors=True)


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "iota2 run")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - MAX_CLOCK_DIFFERENCE)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    _write_private(folder / KEY, key.private_bytes(pem, *plain))
    _write_private(folder / CERTIFICATE, certificate.public_bytes(pem))


def _write_private(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
