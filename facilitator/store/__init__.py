"""The Facilitator's store of jobs, tasks, evidence and the log."""

from fedtrain.facilitator.store.cards import CardQuery, StoredCard
from fedtrain.facilitator.store.records import Claim, StoredBlob, StoredEntry, StoredParty, StoredTask
from fedtrain.facilitator.store.requests import StoredRequest
from fedtrain.facilitator.store.sql import Store
from fedtrain.facilitator.store.transactions import ReadTransaction, WriteTransaction

__all__ = [
    "CardQuery",
    "Claim",
    "ReadTransaction",
    "Store",
    "StoredBlob",
    "StoredCard",
    "StoredEntry",
    "StoredParty",
    "StoredRequest",
    "StoredTask",
    "WriteTransaction",
]
