"""Paillier on arrays: encoding, packing, encryption, arithmetic under encryption, masks, proofs.

Pure arithmetic: no I/O, nothing of ours imported. Draws its own randomness from `secrets`.
"""

if __name__ == "crypto":
    raise ImportError("its import name is fedtrain.crypto: from fedtrain import crypto")

from fedtrain.crypto.engine import Engine
from fedtrain.crypto.engine.local import LocalEngine
from fedtrain.crypto.engine.processes import ProcessEngine
from fedtrain.crypto.engine.sized import SizedEngine
from fedtrain.crypto.errors import (
    CapacityExceeded,
    CryptoError,
    DecodedOutOfBound,
    EncodingOverflow,
    KeyMismatch,
    KeyTooSmall,
    LayoutMismatch,
    MalformedCiphertext,
    MalformedKey,
    ScaleMismatch,
    SealBroken,
)
from fedtrain.crypto.masks import blind, encode_context, pair_mask, shared_round_key, sum_of_masks
from fedtrain.crypto.packing.fixed_point import decode, encode, rescale
from fedtrain.crypto.packing.slots import SlotLayout, pack, unpack
from fedtrain.crypto.paillier.arithmetic import affine_matrix, sum_vectors
from fedtrain.crypto.paillier.encryption import (
    Encryptor,
    FreshNoncePool,
    KeyHolderEncryptor,
    PublicEncryptor,
    decrypt,
    decrypt_array,
    encrypt_array,
)
from fedtrain.crypto.paillier.factor_pool import FactorPool
from fedtrain.crypto.paillier.key_proof import check_key, prove_key
from fedtrain.crypto.paillier.keys import (
    LEAST_MODULUS_BITS,
    ciphertext_width_bytes,
    generate_keypair,
    key_id,
    modulus_width_bytes,
    private_key_from_dict,
    private_key_to_dict,
)
from fedtrain.crypto.paillier.pool_filler import PoolFiller
from fedtrain.crypto.paillier.rerandomise import RerandomiserPool, rerandomise
from fedtrain.crypto.paillier.vector import (
    EncryptedVector,
    check_ciphertexts,
    ciphertexts_from_bytes,
    ciphertexts_to_bytes,
)
from fedtrain.crypto.powers.fixed_base import FixedBaseTable
from fedtrain.crypto.sealing import open_sealed, seal

__all__ = [
    "LEAST_MODULUS_BITS",
    "CapacityExceeded",
    "CryptoError",
    "DecodedOutOfBound",
    "EncodingOverflow",
    "EncryptedVector",
    "Encryptor",
    "Engine",
    "FactorPool",
    "FixedBaseTable",
    "FreshNoncePool",
    "KeyHolderEncryptor",
    "KeyMismatch",
    "KeyTooSmall",
    "LayoutMismatch",
    "LocalEngine",
    "MalformedCiphertext",
    "MalformedKey",
    "PoolFiller",
    "ProcessEngine",
    "PublicEncryptor",
    "RerandomiserPool",
    "ScaleMismatch",
    "SealBroken",
    "SizedEngine",
    "SlotLayout",
    "affine_matrix",
    "blind",
    "check_ciphertexts",
    "check_key",
    "ciphertext_width_bytes",
    "ciphertexts_from_bytes",
    "ciphertexts_to_bytes",
    "decode",
    "decrypt",
    "decrypt_array",
    "encode",
    "encode_context",
    "encrypt_array",
    "generate_keypair",
    "key_id",
    "modulus_width_bytes",
    "open_sealed",
    "pack",
    "pair_mask",
    "private_key_from_dict",
    "private_key_to_dict",
    "prove_key",
    "rerandomise",
    "rescale",
    "seal",
    "shared_round_key",
    "sum_of_masks",
    "sum_vectors",
    "unpack",
]
