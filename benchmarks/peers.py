"""Other libraries that do additively homomorphic arithmetic, each by its own means, as a user of it would.

Each is optional (`pip install 'federated-trainer[bench]'`); those that are not installed are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[Any]


class Peer(Protocol):
    """A key pair of one library. Values are signed integers; ciphertexts are whatever the library has."""

    name: str

    def encrypt(self, values: Sequence[int]) -> Any: ...
    def decrypt(self, ciphertexts: Any) -> list[int]: ...
    def add(self, a: Any, b: Any) -> Any: ...
    def gradient(self, X: Integers, y: Integers, weights: Any) -> Any:
        """Xᵀ(X·Enc(w) − y), re-randomised, for X (rows, d) and y (rows,)."""
        ...

    def ciphertext_bytes(self, ciphertexts: Any) -> int: ...


class Phe:
    """python-paillier: scalars one by one, over gmpy2."""

    name = "phe"

    def __init__(self, key_bits: int) -> None:
        paillier = import_module("phe.paillier")
        self.public, self.private = paillier.generate_paillier_keypair(n_length=key_bits)

    def encrypt(self, values: Sequence[int]) -> Any:
        return [self.public.encrypt(int(value)) for value in values]

    def decrypt(self, ciphertexts: Any) -> list[int]:
        return [self.private.decrypt(ciphertext) for ciphertext in ciphertexts]

    def add(self, a: Any, b: Any) -> Any:
        return [x + y for x, y in zip(a, b, strict=True)]

    def gradient(self, X: Integers, y: Integers, weights: Any) -> Any:
        residuals = [_dot(weights, row) - int(target) for row, target in zip(X.tolist(), y, strict=True)]
        result = [_dot(residuals, column) for column in X.T.tolist()]
        for ciphertext in result:
            ciphertext.obfuscate()
        return result

    def ciphertext_bytes(self, ciphertexts: Any) -> int:
        return sum(-(-c.ciphertext(be_secure=False).bit_length() // 8) for c in ciphertexts)


def _dot(ciphertexts: Sequence[Any], scalars: Sequence[int]) -> Any:
    products = [ciphertext * scalar for ciphertext, scalar in zip(ciphertexts, scalars, strict=True)]
    total = products[0]
    for product in products[1:]:
        total = total + product
    return total


class Heu:
    """SecretFlow's HEU, its ZPaillier, by its array interface."""

    name = "sf-heu"

    def __init__(self, key_bits: int) -> None:
        self._numpy, self._phe = import_module("heu.numpy"), import_module("heu.phe")
        kit = self._numpy.setup(self._phe.SchemaType.ZPaillier, key_bits)
        self._encryptor, self._evaluator, self._decryptor = kit.encryptor(), kit.evaluator(), kit.decryptor()
        self._encoder = self._phe.BigintEncoder(self._phe.SchemaType.ZPaillier)

    def _plain(self, values: Any) -> Any:
        return self._numpy.array(np.asarray(values, dtype=object).tolist(), self._encoder)

    def encrypt(self, values: Sequence[int]) -> Any:
        return self._encryptor.encrypt(self._plain(values))

    def decrypt(self, ciphertexts: Any) -> list[int]:
        return [int(str(value)) for value in self._decryptor.decrypt(ciphertexts).to_numpy(self._phe.BigintDecoder())]

    def add(self, a: Any, b: Any) -> Any:
        return self._evaluator.add(a, b)

    def gradient(self, X: Integers, y: Integers, weights: Any) -> Any:
        matrix = self._plain(X)
        residuals = self._evaluator.sub(self._evaluator.matmul(matrix, weights), self._plain(y))
        gradient = self._evaluator.matmul(matrix.transpose(), residuals)
        # It has no re-randomisation of its own: add a fresh zero.
        return self._evaluator.add(gradient, self.encrypt([0] * X.shape[1]))

    def ciphertext_bytes(self, ciphertexts: Any) -> int:
        return len(ciphertexts.serialize())


class PyPaillier:
    """pypaillier (imports as paillier): Rust over GMP."""

    name = "pypaillier"

    def __init__(self, key_bits: int) -> None:
        self._library = import_module("paillier")
        self.public, self.private = self._library.generate_keypair(key_bits)

    def encrypt(self, values: Sequence[int]) -> Any:
        return self._library.encrypt_integers(self.public, [int(value) for value in values])

    def decrypt(self, ciphertexts: Any) -> list[int]:
        return [int(text) for text in self._library.decrypt_many(self.private, ciphertexts)]

    def add(self, a: Any, b: Any) -> Any:
        return self._library.add_blocks(self.public, [*a, *b], [[i, len(a) + i] for i in range(len(a))])

    def gradient(self, X: Integers, y: Integers, weights: Any) -> Any:
        # It adds no plaintexts: the target is the scalar of an encrypted minus one. Its faster, variable-time scalars.
        columns = [*weights, *self.encrypt([-1])]
        rows = [[*row, int(target)] for row, target in zip(X.tolist(), y, strict=True)]
        residuals = [self._dot(columns, row) for row in rows]
        return self._library.rerandomize(self.public, [self._dot(residuals, column) for column in X.T.tolist()])

    def _dot(self, ciphertexts: Sequence[Any], scalars: Sequence[int]) -> Any:
        products = self._library.multiply_integers_public(self.public, list(ciphertexts), list(scalars))
        return self._library.add_many(self.public, products)

    def ciphertext_bytes(self, ciphertexts: Any) -> int:
        return sum(len(blob) for blob in ciphertexts)


class Ckks:
    """tenseal's CKKS: approximate, thousands of values a ciphertext, and no masks' exact integers."""

    def __init__(self, degree: int, moduli: Sequence[int], scale_bits: int) -> None:
        self._library = import_module("tenseal")
        self.name = f"tenseal {degree} {list(moduli)}"
        self._slots = degree // 2
        self._context = self._library.context(self._library.SCHEME_TYPE.CKKS, degree, coeff_mod_bit_sizes=list(moduli))
        self._context.global_scale = 2**scale_bits

    def encrypt(self, values: Sequence[float]) -> Any:
        starts = range(0, len(values), self._slots)
        return [self._library.ckks_vector(self._context, list(values[at : at + self._slots])) for at in starts]

    def decrypt(self, ciphertexts: Any) -> list[float]:
        return [value for ciphertext in ciphertexts for value in ciphertext.decrypt()]

    def add(self, a: Any, b: Any) -> Any:
        return [x + y for x, y in zip(a, b, strict=True)]

    def gradient(self, A: NDArray[np.float64], b: NDArray[np.float64], weights: Any) -> Any:
        """A·Enc(w) − b, the second-moment form: X and then Xᵀ would need one more level than this chain has."""
        if not self._context.has_galois_keys():
            self._context.generate_galois_keys()
        return [weights[0].mm(A.T.tolist()) - b.tolist()]

    def ciphertext_bytes(self, ciphertexts: Any) -> int:
        return sum(len(ciphertext.serialize()) for ciphertext in ciphertexts)


#: The library's usual chain, and the smallest that still encrypts and adds.
CKKS_CHAINS = ((8192, (60, 40, 40), 40), (2048, (27, 27), 20))
_MODULES = {"phe": "phe.paillier", "sf-heu": "heu.numpy", "pypaillier": "paillier", "tenseal": "tenseal"}
_PAILLIERS: dict[str, type[Phe] | type[Heu] | type[PyPaillier]] = {"phe": Phe, "sf-heu": Heu, "pypaillier": PyPaillier}


def installed(name: str) -> bool:
    try:
        import_module(_MODULES[name])
    except ImportError:
        return False
    return True


def pailliers(key_bits: int) -> list[Peer]:
    """A key pair of each Paillier library that is installed; phe, a dependency, always."""
    return [make(key_bits) for name, make in _PAILLIERS.items() if installed(name)]


def ckks_peers() -> list[Ckks]:
    return [Ckks(*chain) for chain in CKKS_CHAINS] if installed("tenseal") else []
