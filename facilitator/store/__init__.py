"""The Facilitator's store of jobs, tasks, evidence and the log."""

from fedtrain.facilitator.store.records import Claim, StoredBlob, StoredEntry, StoredParty, StoredTask
from fedtrain.facilitator.store.sql import Store
from fedtrain.facilitator.store.transactions import ReadTransaction, WriteTransaction

__all__ = [
    "Claim",
    "ReadTransaction",
    "Store",
    "StoredBlob",
    "StoredEntry",
    "StoredParty",
    "StoredTask",
    "WriteTransaction",
]
