"""A time stamp authority (RFC 3161) on a port: OpenSSL's, which may be told to behave badly."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
{more}
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
ess_cert_id_alg = sha256
"""
HUGE_BYTES = 100_000_000

Behaviour = Literal["answers", "is away", "refuses", "sends too much", "repeats its last answer", "sends a page"]


@dataclass
class TimeStampAuthority:
    """`roots`: a PEM file of its root. `asked`: questions so far; `sent_bytes`: of the last answer."""

    folder: Path
    url: str = ""
    behaviour: Behaviour = "answers"
    asked: int = 0
    sent_bytes: int = 0
    last: bytes = b""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def roots(self) -> Path:
        return self.folder / "root.pem"

    def answer(self, question: bytes) -> bytes:
        """Return OpenSSL's answer, which refuses a hash that it does not know."""
        config = self.folder / "authority.cnf"
        more = self.folder / "more.pem"
        digests = "sha256" if self.behaviour == "refuses" else "sha256, sha512"
        config.write_text(
            _CONFIG.format(folder=self.folder, digests=digests, more=f"certs = {more}" if more.exists() else "")
        )
        asked, answered = self.folder / "question.tsq", self.folder / "answer.tsr"
        asked.write_bytes(question)
        command = ["openssl", "ts", "-reply", "-queryfile", asked, "-config", config, "-out", answered]
        subprocess.run(command, check=True, capture_output=True)
        return answered.read_bytes()


def make_authority(folder: Path, *, twin: bool = False) -> TimeStampAuthority:
    """Return an authority with a root of its own. `twin`: its answers have another certificate of the same number."""
    folder.mkdir()
    now = datetime.now(UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Time Root")])

    def certificate(of: ec.EllipticCurvePrivateKey, subject: x509.Name, number: int, ca: bool) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(of.public_key())
            .serial_number(number)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        return builder.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM)

    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Time Authority")])
    (folder / "root.pem").write_bytes(certificate(root_key, name, 1, ca=True))
    signer = certificate(key, authority, 2, ca=False)
    (folder / "signer.pem").write_bytes(signer)
    while twin:
        more = certificate(ec.generate_private_key(ec.SECP256R1()), authority, 2, ca=False)
        ordered = sorted((signer, more), key=lambda pem: x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))
        if ordered == [signer, more]:  # a set's order in DER, which OpenSSL leaves to whoever configures it
            (folder / "more.pem").write_bytes(more)
            break
    (folder / "signer.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "serial").write_text("01\n")
    return TimeStampAuthority(folder)


@contextmanager
def time_stamp_authority(folder: Path, *, twin: bool = False) -> Iterator[TimeStampAuthority]:
    """Serve an authority on a port of its own."""
    authority = make_authority(folder, twin=twin)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with suppress(OSError):  # whoever asked has gone
                self._answer()

        def _answer(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"]))
            with authority.lock:
                authority.asked += 1
                authority.sent_bytes = 0
                if authority.behaviour == "is away":
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.end_headers()
                if authority.behaviour == "sends too much":
                    self._send_too_much()
                    return
                if authority.behaviour == "sends a page":
                    self.wfile.write(b"<html>Sign in first</html>")
                    return
                if authority.behaviour != "repeats its last answer":
                    authority.last = authority.answer(question)
                self.wfile.write(authority.last)

        def _send_too_much(self) -> None:
            while authority.sent_bytes < HUGE_BYTES:
                authority.sent_bytes += self.wfile.write(bytes(1 << 16))

        def log_message(self, *_args: object) -> None:
            """Keep still: a test says what it asks."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        authority.url = f"http://127.0.0.1:{server.server_port}/tsr"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()
