"""Paillier on arrays: encoding, packing, encryption, arithmetic under encryption, masks, proofs.

Pure arithmetic: no I/O, nothing of ours imported. Draws its own randomness from `secrets`.
"""

from crypto.arithmetic import add, add_plain, affine_matrix, repack, scale, sum_vectors
from crypto.encryption import (
    Encryptor,
    KeyHolderEncryptor,
    PublicEncryptor,
    decrypt,
    decrypt_array,
    encrypt_array,
)
from crypto.engine import Engine
from crypto.errors import (
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
from crypto.fixed_base import FixedBaseTable
from crypto.fixed_point import decode, encode, rescale
from crypto.key_proof import check_key, prove_key
from crypto.keys import (
    LEAST_MODULUS_BITS,
    ciphertext_width_bytes,
    generate_keypair,
    key_id,
    modulus_width_bytes,
    private_key_from_dict,
    private_key_to_dict,
)
from crypto.local_engine import LocalEngine
from crypto.masks import blind, encode_context, pair_mask, shared_round_key, sum_of_masks
from crypto.packing import SlotLayout, pack, unpack
from crypto.process_engine import ProcessEngine
from crypto.rerandomise import RerandomiserPool, rerandomise
from crypto.sealing import open_sealed, seal
from crypto.sized_engine import SizedEngine
from crypto.vector import EncryptedVector, check_ciphertexts, ciphertexts_from_bytes, ciphertexts_to_bytes

__all__ = [
    "LEAST_MODULUS_BITS",
    "CapacityExceeded",
    "CryptoError",
    "DecodedOutOfBound",
    "EncodingOverflow",
    "EncryptedVector",
    "Encryptor",
    "Engine",
    "FixedBaseTable",
    "KeyHolderEncryptor",
    "KeyMismatch",
    "KeyTooSmall",
    "LayoutMismatch",
    "LocalEngine",
    "MalformedCiphertext",
    "MalformedKey",
    "ProcessEngine",
    "PublicEncryptor",
    "RerandomiserPool",
    "ScaleMismatch",
    "SealBroken",
    "SizedEngine",
    "SlotLayout",
    "add",
    "add_plain",
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
    "repack",
    "rerandomise",
    "rescale",
    "scale",
    "seal",
    "shared_round_key",
    "sum_of_masks",
    "sum_vectors",
    "unpack",
]
