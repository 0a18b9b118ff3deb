"""Time stamps of an authority on signed documents, held against the authority's roots.

An authority signs a hash and its own time (RFC 3161). The hash is of a document's exact bytes and its signature's, so
that a stamp says: by then that party had signed that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha512
from pathlib import Path
from typing import Annotated, Final

from cryptography.x509 import Certificate, load_der_x509_certificate, load_pem_x509_certificates
from pydantic import Field

from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.setup_error import SetupError

#: An authority's answer with all certificates up to its root has some 6,000 bytes.
MOST_STAMP_BYTES: Final = 1 << 16


class StampError(SetupError):
    """A time stamp does not hold; the message says why, for a person."""


class Stamp(Strict):
    """A signed document, and an authority's whole answer about it, in hex."""

    signed: SignedDocument
    response: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$", max_length=2 * MOST_STAMP_BYTES)]


def stamped_bytes(signed: SignedDocument) -> bytes:
    """Return what a stamp is over: the document's bytes in UTF-8, and after them the signature's."""
    return signed.document.encode() + bytes.fromhex(signed.signature)


def read_roots(path: Path) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM file. Raises SetupError that names it where there are none to read."""
    try:
        return tuple(load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise SetupError(f"The roots of time stamps cannot be read: {path}: {error.strerror}.") from None
    except ValueError:
        raise SetupError(f"{path} has no certificates in PEM: take the roots of the time stamp authority.") from None


def check_stamp(
    response: bytes, signed: SignedDocument, roots: Sequence[Certificate], nonce: int | None = None
) -> datetime:
    """Return when the authority stamped a signed document, in UTC. `nonce`: that of the question, where it is known.

    Raises StampError where it is a refusal, over something else, altered, or leads to none of the roots;
    ModuleNotFoundError without the extra `timestamps`.
    """
    from rfc3161_client import PKIStatus, VerificationError, VerifierBuilder, decode_timestamp_response

    try:
        answer = decode_timestamp_response(response)
        if answer.status != PKIStatus.GRANTED:
            said = "; ".join(answer.status_string)[:200]
            raise StampError(f"the authority gave no stamp (status {answer.status}{': ' + said if said else ''})")
        if answer.tst_info.message_imprint.message != sha512(stamped_bytes(signed)).digest():
            raise StampError("it is over something else than what was signed")
        _check_certificates([load_der_x509_certificate(one) for one in answer.signed_data.certificates])
        VerifierBuilder(roots=list(roots), nonce=nonce).build().verify_message(answer, stamped_bytes(signed))
        return answer.tst_info.gen_time.astimezone(UTC)
    except StampError:
        raise
    except VerificationError as error:
        raise StampError(f"{error}".rstrip(".")) from None
    except Exception as error:  # noqa: BLE001 - certificates that cannot be read have a dozen kinds of errors
        raise StampError(f"it is no time stamp that can be read ({error})") from None


def _check_certificates(sent: Sequence[Certificate]) -> None:
    # By issuer and number the signer is found, once for its signature and once for what it may do: two of one name
    # could be a certificate that may sign time stamps, and another that has signed.
    if len({(one.issuer, one.serial_number) for one in sent}) != len(sent):
        raise StampError("two of its certificates have the same issuer and serial number")
