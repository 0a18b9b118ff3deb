from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrain.crypto import (
    DecodedOutOfBound,
    SlotLayout,
    ciphertexts_from_bytes,
    ciphertexts_to_bytes,
    decode,
    encode,
    encode_context,
    pack,
    rescale,
    sum_of_masks,
    unpack,
)

finite = st.floats(allow_nan=False, allow_infinity=False)


def objects(values: list[int]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@given(st.lists(finite, min_size=1, max_size=5), st.integers(0, 200))
def test_encoding_is_the_exact_rounding_of_the_exact_product(values: list[float], fraction_bits: int) -> None:
    encoded = encode(np.array(values), fraction_bits, 1 << 1300)
    # round() of a Fraction is half to even.
    assert encoded.tolist() == [round(Fraction(value) * 2**fraction_bits) for value in values]


@given(st.lists(st.integers(-(1 << 200), 1 << 200), min_size=1, max_size=5), st.integers(0, 300))
def test_decoding_is_the_correctly_rounded_quotient(integers: list[int], fraction_bits: int) -> None:
    decoded = decode(objects(integers), fraction_bits)
    assert decoded.tolist() == [float(Fraction(integer, 2**fraction_bits)) for integer in integers]


@given(finite.filter(lambda value: abs(value) > 2.0**-900))
def test_a_float_comes_back_once_the_scale_holds_all_its_bits(value: float) -> None:
    encoded = encode(np.array([value]), 1074, 1 << 2100)
    assert decode(encoded, 1074).tolist() == [value]


@given(st.integers(-(1 << 100), 1 << 100), st.integers(0, 90), st.integers(0, 90))
def test_rescaling_is_the_exact_rounding(integer: int, from_bits: int, to_bits: int) -> None:
    exact = Fraction(integer) * Fraction(2) ** (to_bits - from_bits)
    assert rescale(objects([integer]), from_bits, to_bits).tolist() == [round(exact)]


@st.composite
def layouts(draw) -> SlotLayout:
    columns = draw(st.integers(1, 6))
    return SlotLayout(
        rows=draw(st.integers(1, 6)),
        columns=columns,
        slot_bits=draw(st.integers(2, 40)),
        rows_per_ciphertext=draw(st.integers(1, 7)),
        columns_per_ciphertext=draw(st.integers(1, columns)),
    )


@given(layouts(), st.data())
def test_packing_round_trip_in_the_smallest_modulus_that_is_accepted(layout: SlotLayout, data) -> None:
    widest = (1 << (layout.slot_bits - 1)) - 1
    edges = st.sampled_from([0, widest, -widest])
    count = layout.rows * layout.columns
    flat = data.draw(st.lists(edges | st.integers(-widest, widest), min_size=count, max_size=count))
    values = objects(flat).reshape(layout.rows, layout.columns)
    modulus_bits = layout.slot_bits * layout.slots_per_ciphertext + 2
    n = data.draw(st.integers(1 << (modulus_bits - 1), (1 << modulus_bits) - 1))
    residues = [plaintext % n for plaintext in pack(values, layout)]
    assert (unpack(residues, layout, n, widest) == values).all()
    largest = max(abs(value) for value in flat)
    assert (unpack(residues, layout, n, largest) == values).all()
    if largest:
        with pytest.raises(DecodedOutOfBound):
            unpack(residues, layout, n, largest - 1)


@pytest.mark.slow
@given(layouts())
def test_a_layout_survives_its_dict(layout: SlotLayout) -> None:
    assert SlotLayout.from_dict(layout.to_dict()) == layout


@given(st.integers(1 << 63, 1 << 200), st.data())
def test_ciphertext_bytes_round_trip(n: int, data) -> None:
    n |= 1
    exponents = data.draw(st.lists(st.integers(0, 1 << 30), max_size=5))
    # Powers of two are prime to an odd n.
    ciphertexts = tuple(mpz(pow(2, exponent, n * n)) for exponent in exponents)
    assert ciphertexts_from_bytes(ciphertexts_to_bytes(ciphertexts, n), n, len(ciphertexts)) == ciphertexts


context_parts = st.binary(max_size=4) | st.text(max_size=4) | st.integers(-(1 << 70), 1 << 70)


@pytest.mark.slow
@given(st.lists(context_parts, max_size=4), st.lists(context_parts, max_size=4))
def test_contexts_are_encoded_injectively(first: list, second: list) -> None:
    def typed(parts: list) -> list:
        return [(type(part), part) for part in parts]

    assert (encode_context(*first) == encode_context(*second)) == (typed(first) == typed(second))


@settings(deadline=None, max_examples=25)
@given(st.sets(st.binary(min_size=1, max_size=6), min_size=1, max_size=5), st.integers(0, 3), st.data())
def test_masks_of_any_roster_cancel(identities: set[bytes], count: int, data) -> None:
    n = data.draw(st.integers(1 << 64, 1 << 300))
    keys = {identity: X25519PrivateKey.generate() for identity in identities}
    publics = {identity: key.public_key().public_bytes_raw() for identity, key in keys.items()}
    masks = [
        sum_of_masks(own, key, {i: p for i, p in publics.items() if i != own}, ["round", 1], count, n)
        for own, key in keys.items()
    ]
    assert [sum(column) % n for column in zip(*masks, strict=True)] == [0] * count
