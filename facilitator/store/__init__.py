"""Where the Facilitator keeps jobs, tasks, evidence and the log: one contract, and its implementations."""

from fedtrain.facilitator.store.contract import (
    Claim,
    ReadTransaction,
    Store,
    StoredBlob,
    StoredEntry,
    StoredParty,
    StoredTask,
    WriteTransaction,
)
from fedtrain.facilitator.store.sql import SqlStore

__all__ = [
    "Claim",
    "ReadTransaction",
    "SqlStore",
    "Store",
    "StoredBlob",
    "StoredEntry",
    "StoredParty",
    "StoredTask",
    "WriteTransaction",
]
