"""A finished network for an owner that trained it: what the owner asks, and what the Model Owner seals to it.

The ask carries a key of its own, made for it alone, so that the answer can be opened by who asked and only once: no
owner keeps a key past a job for what may come of it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fedtrain.crypto.sealing import OVERHEAD_BYTES
from fedtrain.protocol.documents.signed import Hash, JobId
from fedtrain.protocol.messages.rounds import Message
from fedtrain.protocol.messages.shared_weights import SealedWeights

ASK_TAG = "model-ask"
GIVEN_TAG = "given-model"


class ModelAsk(Message):
    """An owner asks for the finished network. `sealing_key`: X25519, in hex, fresh. Signed by the owner."""

    model_id: JobId
    sealing_key: Hash
    nonce: Hash


class GivenModel(Message):
    """The network's weights as float32, sealed once, and the box of the key to them. Signed by the Model Owner.

    Both are bound to the job's manifest, and to the ask by its hash.
    """

    request_hash: Hash
    box: SealedWeights
    blob: Annotated[bytes, Field(min_length=OVERHEAD_BYTES)]
