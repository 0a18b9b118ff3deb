"""Private scoring: what a Data Owner and a Model Owner say to each other, and the numbers both derive.

    Data Owner                                  Model Owner, with a key pair that is for scoring this model alone
    SCORING task: may I?                   →    ScoringOffer: Enc(w), signed, once for all
    SCORE task: Enc(x·w + m), m uniform    →    decrypts z' = x·w + m mod n, returns (z' >> t) mod 2^u
    (z' >> t) − (m >> t) mod 2^u  =  x·w >> t, or one more

One score a ciphertext. Of what it decrypts, which whoever asked may have built otherwise, the Model Owner gives away
SCORE_BITS bits, and counts them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fedtrain.protocol.documents.signed import Hash, Hex, JobId
from fedtrain.protocol.messages.rounds import Message, SignedBytes
from fedtrain.spec.problems import Code, Problem

Floats = NDArray[np.float64]

#: u: bits of one score that are given away: its sign, PRECISION_BITS, and room for the one unit of error.
SCORE_BITS = 32
#: A score is told to 2^−PRECISION_BITS of the largest that the model can give.
PRECISION_BITS = 30
#: What one weight can tell at that precision: its sign and PRECISION_BITS.
WEIGHT_BITS = PRECISION_BITS + 1
#: z + m wraps around n with probability 2^−MARGIN_BITS at most.
MARGIN_BITS = 128
MAX_ROWS = 10_000

OFFER_TAG = "scoring-offer"
REQUEST_TAG = "score-request"
ANSWER_TAG = "score-answer"

HexFloat = Annotated[str, Field(pattern=r"^-?0x[01](\.[0-9a-f]{1,16})?p[+-][0-9]{1,4}$")]


class ScoringOffer(Message):
    """A finished model under a key of its own. `weights`: d·k ciphertexts, row by row of w.

    `bound_exponent`: no score in scaled units is beyond 2^bound_exponent. `calibration`: the slope and offset of each
    output's probability σ(slope·score + offset), for a classifier that has one.
    """

    model_id: JobId
    manifest_hash: Hash
    modulus: Hex
    key_proof: Annotated[tuple[Hex, ...], Field(max_length=64)]
    nonce: Hash
    bound_exponent: Annotated[int, Field(ge=-200, le=200)]
    weights: bytes
    calibration: Annotated[tuple[tuple[HexFloat, HexFloat], ...], Field(max_length=10_000)] | None = None


class ScoringAsk(Message):
    """May the sender score this model, and with what?"""

    model_id: JobId


class ScoreRequest(Message):
    """Masked scores to decrypt, of one row after another, k of each. The same `nonce` again is the same request."""

    model_id: JobId
    offer_hash: Hash
    nonce: Hash
    ciphertexts: bytes


class ScoreAnswer(Message):
    """(z' >> t) mod 2^u of each ciphertext, in order. `scores_left`: rows that the model's quota still allows."""

    request_hash: Hash
    values: Annotated[tuple[Annotated[int, Field(ge=0, lt=1 << SCORE_BITS)], ...], Field(max_length=10_000_000)]
    scores_left: Annotated[int, Field(ge=0)]


class ScoringReply(Message):
    """The result of a SCORING or SCORE task: what the Model Owner signed, or why it refuses."""

    signed: SignedBytes | None = None
    code: Annotated[str, Field(pattern=r"^[a-z-]{1,64}$")] | None = None
    detail: Annotated[str, Field(max_length=2000)] | None = None

    def open(self, tag: str, model_owner: str) -> tuple[bytes, str]:
        """Return what was signed, and its hash. Raises Problem: the refusal, or BAD_SIGNATURE."""
        if self.signed is not None:
            return self.signed.open(tag, model_owner), self.signed.hash
        raise Problem(Code.from_slug(self.code or "", 403), self.detail or "The Model Owner refuses without a reason.")


@dataclass(frozen=True)
class ScorePlan:
    """The fixed point of one model's scores: z = Σ x·w is held at feature_bits + weight_bits fraction bits.

    `dropped_bits` is t. `magnitude_bits`: no |z| reaches 2^magnitude_bits.
    """

    bound_exponent: int
    feature_bits: int
    weight_bits: int

    @classmethod
    def of(cls, feature_bounds: Floats, bound_exponent: int) -> ScorePlan:
        """The plan for features within ±feature_bounds (d,), by which both parties work.

        Rounding features and weights moves a score by less than 2^−3 of the unit that it is told in.
        """
        spread = math.ceil(math.log2(float(np.sum(1 / feature_bounds))))
        reach = math.ceil(math.log2(float(np.sum(feature_bounds))))
        extra = PRECISION_BITS + 4
        return cls(bound_exponent, max(0, extra + spread), max(0, extra + reach - bound_exponent))

    @property
    def dropped_bits(self) -> int:
        return self.feature_bits + self.weight_bits + self.bound_exponent - PRECISION_BITS

    @property
    def magnitude_bits(self) -> int:
        return self.feature_bits + self.weight_bits + self.bound_exponent + 1

    def check_capacity(self, modulus: int) -> None:
        """Raise Problem(DOES_NOT_FIT) unless a score leaves MARGIN_BITS of the modulus free."""
        if self.dropped_bits < 0 or self.magnitude_bits + MARGIN_BITS > modulus.bit_length():
            raise Problem(
                Code.DOES_NOT_FIT,
                f"A score needs {self.magnitude_bits} bits and {MARGIN_BITS} to hide in; the key has "
                f"{modulus.bit_length()}: train with larger key_bits.",
            )

    def truncated(self, residue: int) -> int:
        """Return what the Model Owner gives away of a residue mod n: (residue >> t) mod 2^u."""
        return (residue >> self.dropped_bits) % (1 << SCORE_BITS)

    def unmasked(self, value: int, mask: int) -> float:
        """The score of a truncated value under the mask (0 ≤ mask < n) that went in, in scaled units.

        Within one unit of 2^(bound_exponent − PRECISION_BITS), unless z + mask wrapped around.
        """
        difference = (value - (mask >> self.dropped_bits)) % (1 << SCORE_BITS)
        if difference >= 1 << (SCORE_BITS - 1):
            difference -= 1 << SCORE_BITS
        return math.ldexp(difference, self.bound_exponent - PRECISION_BITS)


def bound_exponent(weights: Floats, feature_bounds: Floats) -> int:
    """The least e, within ±200, such that no score of weights (d, k) on features within the bounds is beyond 2^e.

    Raises Problem(DOES_NOT_FIT) for weights that reach further.
    """
    reach = float((np.abs(weights) * feature_bounds[:, None]).sum(axis=0).max())
    exponent = max(-200, math.frexp(reach)[1]) if reach > 0 else 0
    if not math.isfinite(reach) or exponent > 200:
        raise Problem(Code.DOES_NOT_FIT, "The model's scores reach beyond 2^200: scale its features, and train again.")
    return exponent


def entropy_bits(dimensions: int, outputs: int) -> int:
    """Return what a model of d·k weights can tell at the precision of its scores."""
    return dimensions * outputs * WEIGHT_BITS


def probabilities(scores: Floats, calibration: Sequence[tuple[str, str]] | None) -> Floats:
    """(rows, classes) probabilities of scores (rows, k), every row adding up to 1; for k = 1 there are two classes.

    Calibrated: σ(slope·z + offset) an output, scaled to add up. Without: σ(z), for several outputs softmax(z).
    """
    if calibration is None and scores.shape[1] > 1:
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    else:
        pairs = [(float.fromhex(slope), float.fromhex(offset)) for slope, offset in calibration or [("0x1p0", "0x0p0")]]
        z = scores * [slope for slope, _ in pairs] + [offset for _, offset in pairs]
        e = np.exp(-np.abs(z))
        powers = np.where(z >= 0, 1.0, e) / (1.0 + e)
        if scores.shape[1] == 1:
            return np.hstack([1.0 - powers, powers])
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares
