"""A consortium's own small CA, and the certificates it signs: ECDSA over P-256, for TLS between the parties.

Source: RFC 5280 for the extensions; a certificate is for one party, as a service and as a client.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CLOCKS_DIFFER = timedelta(hours=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(certificate, key withheld)"


def make_ca(name: str, now: datetime, not_after: datetime) -> Pair:
    """Return a new CA that signs certificates and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"{name} CA")
    certificate = (
        _builder(subject, subject, key.public_key(), now, not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate.public_bytes(Encoding.PEM), _private(key))


def request_certificate(name: str) -> Pair:
    """Return a new key, and in the certificate's place a request for one (PKCS#10, RFC 2986)."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(name)).sign(key, hashes.SHA256())
    return Pair(request.public_bytes(Encoding.PEM), _private(key))


def requested_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key that a certificate is asked for. Raises ValueError unless it is P-256's and signed the request."""
    asked = x509.load_pem_x509_csr(request)
    key = asked.public_key()
    if not asked.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("the certificate request is not signed by its own key")
    if not isinstance(key.curve, ec.SECP256R1):
        raise ValueError(f"the certificate request is for a key on {key.curve.name}; it has to be on P-256")
    return key


def fits(certificate: bytes, key: bytes) -> bool:
    """Return whether a certificate is for this private key, both in PEM. Raises ValueError for what is neither."""
    public = load_pem_private_key(key, password=None).public_key()
    return x509.load_pem_x509_certificate(certificate).public_key() == public


def certify(
    ca: Pair, key: ec.EllipticCurvePublicKey, name: str, hosts: Iterable[str], now: datetime, not_after: datetime
) -> bytes:
    """Return a certificate, in PEM, of this key for the party `name`, reached at `hosts` (names or IP addresses)."""
    ca_certificate = x509.load_pem_x509_certificate(ca.certificate)
    ca_key = load_pem_private_key(ca.key, password=None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the CA's key is not an elliptic curve's")
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        _builder(_name(name), ca_certificate.subject, key, now, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(not_after)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
