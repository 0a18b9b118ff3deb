"""The known answers, checked with phe, hashlib and hmac: none of the code that made them takes part."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
from fractions import Fraction
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from phe import EncryptedNumber
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "crypto_vectors.json").read_text())


@pytest.fixture(scope="module")
def public_key() -> PaillierPublicKey:
    return PaillierPublicKey(int(VECTORS["key"]["n"], 16))


@pytest.fixture(scope="module")
def private_key(public_key) -> PaillierPrivateKey:
    return PaillierPrivateKey(public_key, int(VECTORS["key"]["p"], 16), int(VECTORS["key"]["q"], 16))


def numbers(data: str, width: int) -> list[int]:
    raw = bytes.fromhex(data)
    assert len(raw) % width == 0
    return [int.from_bytes(raw[start : start + width], "big") for start in range(0, len(raw), width)]


def prefixed(*parts: bytes | str | int) -> bytes:
    encoded = b""
    for part in parts:
        if isinstance(part, int):
            kind, content = b"i", part.to_bytes(part.bit_length() // 8 + 1, "big", signed=True)
        else:
            kind = b"b" if isinstance(part, bytes) else b"s"
            content = part if isinstance(part, bytes) else part.encode()
        encoded += kind + len(content).to_bytes(8, "big") + content
    return encoded


def residue(seed: bytes, n: int) -> int:
    return int.from_bytes(hashlib.shake_256(seed).digest((n.bit_length() + 128 + 7) // 8), "big") % n


def test_the_program_still_makes_the_file() -> None:
    spec = importlib.util.spec_from_file_location("make_vectors", HERE / "make_vectors.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert program.render() == (HERE / "crypto_vectors.json").read_text()


def test_the_key_and_its_name(public_key, private_key) -> None:
    key, n = VECTORS["key"], public_key.n
    assert n.bit_length() == 512
    assert (key["modulus_width_bytes"], key["ciphertext_width_bytes"]) == (64, 128)
    digest = hashlib.sha256(b"federated-trainer paillier key id v1" + n.to_bytes(64, "big")).hexdigest()
    assert key["key_id"] == digest[:32]
    assert private_key.p % 4 == private_key.q % 4 == 3


def test_the_roots_of_the_key_proof(public_key) -> None:
    proof, n = VECTORS["key_proof"], public_key.n
    identity, nonce = bytes.fromhex(proof["identity"]), bytes.fromhex(proof["nonce"])
    for index, root in enumerate(proof["roots"], start=1):
        seed = prefixed("federated-trainer key proof v1", n, identity, nonce, index)
        assert pow(int(root, 16), n, n) == residue(seed, n)
    assert len(proof["roots"]) == 8


def test_fixed_point_encodings() -> None:
    for case in VECTORS["fixed_point"]:
        exact = Fraction(float.fromhex(case["value"])) * 2 ** case["fraction_bits"]
        assert case["encoded"] == round(exact)
        assert float.fromhex(case["decoded"]) == float(Fraction(case["encoded"], 2 ** case["fraction_bits"]))


def packed(values: list[list[int]], layout: dict[str, int]) -> list[int]:
    """One plaintext a ciphertext, straight from the definition."""
    rows_each, columns_each = layout["rows_per_ciphertext"], layout["columns_per_ciphertext"]
    plaintexts: dict[int, int] = {}
    for row, entries in enumerate(values):
        for column, value in enumerate(entries):
            groups = -(-layout["columns"] // columns_each)
            ciphertext = row // rows_each * groups + column // columns_each
            slot = row % rows_each * columns_each + column % columns_each
            plaintexts[ciphertext] = plaintexts.get(ciphertext, 0) + (value << (layout["slot_bits"] * slot))
    return [plaintexts[index] for index in sorted(plaintexts)]


def test_packing_and_encryption_with_given_nonces_is_phes(public_key) -> None:
    case, n = VECTORS["affine"], public_key.n
    assert case["plaintexts"] == packed(case["w"], case["in_layout"])
    ciphertexts = numbers(case["ciphertexts_bytes"], 128)
    nonces = [int(nonce, 16) for nonce in case["nonces"]]
    assert ciphertexts == [
        public_key.raw_encrypt(plaintext % n, r_value=nonce)
        for plaintext, nonce in zip(case["plaintexts"], nonces, strict=True)
    ]


def test_the_affine_map_decrypts_in_phe_to_the_integers(public_key, private_key) -> None:
    case, n = VECTORS["affine"], public_key.n
    expected = [
        [sum(a * w for a, w in zip(row, column, strict=True)) - m for column, m in zip(columns, minus, strict=True)]
        for row, minus in zip(case["A"], case["minus"], strict=True)
        for columns in [list(zip(*case["w"], strict=True))]
    ]
    residues = [private_key.raw_decrypt(c) for c in numbers(case["result_bytes"], 128)]
    assert residues == [plaintext % n for plaintext in packed(expected, case["out_layout"])]
    assert case["result_fraction_bits"] == 20 + 16
    assert case["result_bound"] == 4 * 2**16 * 2**20 + 2**30
    assert max(abs(value) for row in expected for value in row) <= case["result_bound"]


def test_the_affine_map_is_ciphertext_for_ciphertext_what_phe_computes(public_key) -> None:
    case = VECTORS["affine"]
    layout = case["out_layout"]
    weights = [EncryptedNumber(public_key, c, 0) for c in numbers(case["ciphertexts_bytes"], 128)]
    assert layout["columns_per_ciphertext"] == layout["columns"] == 3
    shift = 1 << (layout["slot_bits"] * layout["columns"])
    minus = packed(case["minus"], layout)
    results = []
    for group, start in enumerate(range(0, layout["rows"], layout["rows_per_ciphertext"])):
        total = EncryptedNumber(public_key, 1, 0)
        for row in reversed(case["A"][start : start + layout["rows_per_ciphertext"]]):
            total = total * shift
            for weight, scalar in zip(weights, row, strict=True):
                total = total + weight * scalar
        plain = EncryptedNumber(public_key, public_key.raw_encrypt(-minus[group] % public_key.n, r_value=1), 0)
        results.append((total + plain).ciphertext(be_secure=False))
    assert results == numbers(case["result_bytes"], 128)


def test_masks_from_the_standards_alone(public_key) -> None:
    case, n = VECTORS["masks"], public_key.n
    context = [bytes.fromhex(p[4:]) if str(p).startswith("hex:") else p for p in case["context"]]
    assert case["encoded_context"] == prefixed(*context).hex()
    parties = case["parties"]
    totals = [0, 0, 0]
    for own in parties:
        private = X25519PrivateKey.from_private_bytes(bytes.fromhex(own["private"]))
        expected = [0, 0, 0]
        for peer in parties:
            if peer is own:
                continue
            secret = private.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(peer["public"])))
            low, high = sorted([own["id"].encode(), peer["id"].encode()])
            # RFC 5869: extract with a salt of zeros, expand one block.
            extracted = hmac.digest(bytes(32), secret, "sha256")
            key = hmac.digest(extracted, prefixed(*context, low, high) + b"\x01", "sha256")
            sign = 1 if own["id"].encode() == low else -1
            expected = [e + sign * residue(key + t.to_bytes(8, "big"), n) for t, e in enumerate(expected)]
        masks = [int(mask, 16) for mask in own["masks"]]
        assert masks == [mask % n for mask in expected]
        totals = [total + mask for total, mask in zip(totals, masks, strict=True)]
    assert [total % n for total in totals] == [0, 0, 0]


def test_one_altered_bit_decrypts_to_something_else(public_key, private_key) -> None:
    case = VECTORS["affine"]
    ciphertext = numbers(case["ciphertexts_bytes"], 128)[0]
    assert private_key.raw_decrypt(ciphertext) == case["plaintexts"][0] % public_key.n
    assert private_key.raw_decrypt(ciphertext ^ 1) != case["plaintexts"][0] % public_key.n
