"""Everything that this package raises on purpose.

    CryptoError
    ├── EncodingOverflow      a real number does not fit the fixed-point encoding
    ├── CapacityExceeded      a worst case does not fit a slot or the modulus
    ├── KeyMismatch           two operands under different keys
    ├── ScaleMismatch         two operands at different fixed-point scales
    ├── LayoutMismatch        two operands packed differently
    ├── MalformedCiphertext   bytes from outside that are no ciphertext under this key
    ├── MalformedKey          a modulus that the checks refuse
    │   └── KeyTooSmall       a modulus shorter than the least accepted
    ├── DecodedOutOfBound     a decrypted slot beyond the bound that was derived for it
    └── SealBroken            a sealed box that does not open

Every error carries what was expected and what was received. None carries a plaintext, a scalar or a
private key.
"""

# Named for what happened, as in "raise KeyMismatch"; the suffix Error would add nothing.
# ruff: noqa: N818

from __future__ import annotations


class CryptoError(Exception):
    """Base of every error raised by this package."""


class EncodingOverflow(CryptoError):
    """A real number or an integer outside what the encoding was planned for. Never names the number."""


class CapacityExceeded(CryptoError):
    """A worst case needs more bits than there are."""

    def __init__(self, needed_bits: int, available_bits: int) -> None:
        super().__init__(
            f"needs {needed_bits} bits, {available_bits} are available: "
            "use a larger key, wider slots, fewer slots a ciphertext or fewer fraction bits"
        )
        self.needed_bits = needed_bits
        self.available_bits = available_bits

    def __reduce__(self) -> tuple[type[CapacityExceeded], tuple[int, int]]:
        return type(self), (self.needed_bits, self.available_bits)


class _Mismatch(CryptoError):
    """Two operands that do not belong together."""

    subject = "operands"

    def __init__(self, expected: object, received: object) -> None:
        super().__init__(f"{self.subject}: expected {expected}, received {received}")
        self.expected = expected
        self.received = received

    def __reduce__(self) -> tuple[type[_Mismatch], tuple[object, object]]:
        return type(self), (self.expected, self.received)


class KeyMismatch(_Mismatch):
    """Encrypted under another key; encrypt again under the expected one."""

    subject = "key id"


class ScaleMismatch(_Mismatch):
    """At another fixed-point scale; rescale before the operation."""

    subject = "fraction bits"


class LayoutMismatch(_Mismatch):
    """Packed in another way; repack under the expected layout."""

    subject = "slot layout"


class MalformedCiphertext(CryptoError):
    """Ciphertext number `index` of an array (counted from 0) is none under this key."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"ciphertext {index} is refused: {reason}")
        self.index = index
        self.reason = reason

    def __reduce__(self) -> tuple[type[MalformedCiphertext], tuple[int, str]]:
        return type(self), (self.index, self.reason)


class MalformedKey(CryptoError):
    """A modulus, or what claims to be its proof, that is refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the key is refused: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[CryptoError], tuple[object, ...]]:
        return type(self), (self.reason,)


class KeyTooSmall(MalformedKey):
    """A modulus below the least size accepted outside tests."""

    def __init__(self, bits: int, least_bits: int) -> None:
        super().__init__(f"{bits} bits, and the least accepted is {least_bits}")
        self.bits = bits
        self.least_bits = least_bits

    def __reduce__(self) -> tuple[type[CryptoError], tuple[object, ...]]:
        return type(self), (self.bits, self.least_bits)


class DecodedOutOfBound(CryptoError):
    """A decrypted slot beyond its derived bound: masks did not cancel, or a sum was tampered with.

    `slot` counts from 0 through all ciphertexts of the array. The plaintext is not kept.
    """

    def __init__(self, slot: int, bound_bits: int) -> None:
        super().__init__(
            f"slot {slot} decrypts beyond its bound of {bound_bits} bits: "
            "the summands do not belong together, or one was altered; do not use any of them"
        )
        self.slot = slot
        self.bound_bits = bound_bits

    def __reduce__(self) -> tuple[type[DecodedOutOfBound], tuple[int, int]]:
        return type(self), (self.slot, self.bound_bits)


class SealBroken(CryptoError):
    """A sealed box was made for another key or another context, or was altered."""

    def __init__(self) -> None:
        super().__init__("the box does not open: it was sealed for another recipient, round or job, or was altered")
