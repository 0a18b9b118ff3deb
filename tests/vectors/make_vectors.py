"""Write `crypto_vectors.json`: known answers of the `crypto` package for fixed inputs.

Run `python tests/vectors/make_vectors.py` from the repository's root after an intended change of a format;
`test_crypto_vectors.py` then checks the file with phe, hashlib and hmac, without the code that wrote it.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import gmpy2  # noqa: E402
import numpy as np  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: E402
from gmpy2 import mpz  # noqa: E402

from fedtrain import crypto  # noqa: E402

SEED = "federated-trainer crypto vectors v1"
OUTPUT = Path(__file__).with_name("crypto_vectors.json")
ENGINE = crypto.LocalEngine()


def seeded_prime(name: str, bits: int) -> int:
    """The first prime ≡ 3 mod 4 with its two top bits set, from hashes of the seed and a counter."""
    for counter in range(1 << 20):
        digest = hashlib.shake_256(f"{SEED} {name} {counter}".encode()).digest(bits // 8)
        candidate = int.from_bytes(digest, "big") | (3 << (bits - 2)) | 3
        if gmpy2.is_prime(candidate, 40):
            return candidate
    raise RuntimeError("no prime within a million candidates")


def hexadecimal(numbers: list[int]) -> list[str]:
    return [f"{int(number):x}" for number in numbers]


def fixed_point_vectors() -> list[dict[str, object]]:
    cases = [
        (0.5, 0),
        (1.5, 0),
        (-2.5, 0),
        (0.1, 40),
        (-0.1, 40),
        (1e-300, 60),
        (3.141592653589793, 52),
        (1e17, 10),
    ]
    vectors = []
    for value, fraction_bits in cases:
        encoded = crypto.encode(np.array([value]), fraction_bits, 1 << 200)
        decoded = crypto.decode(encoded, fraction_bits)
        vectors.append(
            {
                "value": value.hex(),
                "fraction_bits": fraction_bits,
                "encoded": int(encoded[0]),
                "decoded": float(decoded[0]).hex(),
            }
        )
    return vectors


def affine_vector(n: int, source: random.Random) -> dict[str, object]:
    """pack(A·W − minus) with three columns, before it is re-randomised: every ciphertext is determined."""
    square = mpz(n) ** 2
    d_out, d_in, columns, slot_bits = 5, 4, 3, 48
    draw = lambda rows, width, bits: np.array(  # noqa: E731
        [[source.randint(-(1 << bits), 1 << bits) for _ in range(width)] for _ in range(rows)], dtype=object
    )
    A, w, minus = draw(d_out, d_in, 16), draw(d_in, columns, 20), draw(d_out, columns, 30)
    in_layout = crypto.SlotLayout.row_by_row(d_in, columns, slot_bits, n.bit_length())
    out_layout = crypto.SlotLayout.packed(d_out, columns, slot_bits, n.bit_length())
    plaintexts = crypto.pack(w, in_layout)
    nonces = [source.randrange(1, n) for _ in plaintexts]
    ciphertexts = crypto.blind(ENGINE.powers([mpz(r) for r in nonces], n, square), plaintexts, n)
    W = crypto.EncryptedVector(crypto.key_id(n), 20, 1 << 20, in_layout, tuple(ciphertexts))
    result = crypto.affine_matrix(A, 1 << 16, 16, W, minus, 1 << 30, out_layout, n, ENGINE)
    return {
        "A": A.tolist(),
        "w": w.tolist(),
        "minus": minus.tolist(),
        "in_layout": in_layout.to_dict(),
        "out_layout": out_layout.to_dict(),
        "plaintexts": plaintexts,
        "nonces": hexadecimal(nonces),
        "ciphertexts_bytes": crypto.ciphertexts_to_bytes(ciphertexts, n).hex(),
        "result_fraction_bits": result.fraction_bits,
        "result_bound": result.bound,
        "result_bytes": crypto.ciphertexts_to_bytes(result.ciphertexts, n).hex(),
    }


def mask_vectors(n: int) -> dict[str, object]:
    identities = [b"alpha", b"beta", b"gamma"]
    privates = {i: hashlib.sha256(SEED.encode() + i).digest() for i in identities}
    keys = {i: X25519PrivateKey.from_private_bytes(private) for i, private in privates.items()}
    publics = {i: key.public_key().public_bytes_raw() for i, key in keys.items()}
    context = ["tag", b"\x00\x01", 7, -1]
    return {
        "context": ["tag", "hex:0001", 7, -1],
        "encoded_context": crypto.encode_context(*context).hex(),
        "parties": [
            {
                "id": own.decode(),
                "private": privates[own].hex(),
                "public": publics[own].hex(),
                "masks": hexadecimal(
                    crypto.sum_of_masks(own, keys[own], {i: p for i, p in publics.items() if i != own}, context, 3, n)
                ),
            }
            for own in identities
        ],
    }


def make_vectors() -> dict[str, object]:
    source = random.Random(SEED)
    p, q = seeded_prime("p", 256), seeded_prime("q", 256)
    private_key = crypto.private_key_from_dict({"p": f"{p:x}", "q": f"{q:x}"})
    n = p * q
    identity, nonce = b"model owner", b"job nonce"
    return {
        "seed": SEED,
        "key": {
            "p": f"{p:x}",
            "q": f"{q:x}",
            "n": f"{n:x}",
            "key_id": crypto.key_id(n),
            "modulus_width_bytes": crypto.modulus_width_bytes(n),
            "ciphertext_width_bytes": crypto.ciphertext_width_bytes(n),
        },
        "key_proof": {
            "identity": identity.hex(),
            "nonce": nonce.hex(),
            "roots": hexadecimal(crypto.prove_key(private_key, identity, nonce)),
        },
        "fixed_point": fixed_point_vectors(),
        "affine": affine_vector(n, source),
        "masks": mask_vectors(n),
    }


def render() -> str:
    return json.dumps(make_vectors(), indent=1) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(render())
