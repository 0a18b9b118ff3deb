"""The resources of an owner, opened: its store, its keys, its memory, and what computes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.util import find_spec

import httpx

from fedtrain.crypto.engine import Engine
from fedtrain.data_owner.agent.effects import Workshop
from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.agent.spending import Spendings
from fedtrain.data_owner.agent.training import ObservedTrainer
from fedtrain.data_owner.data.cluster import Cluster
from fedtrain.data_owner.data.frozen.examples_freezer import ExamplesFreezer
from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.data.frozen.moments_freezer import MomentsFreezer
from fedtrain.data_owner.data.partitions import ClusterReducer
from fedtrain.data_owner.data.reduction import reduce_here
from fedtrain.data_owner.data.table_fits import TableFits
from fedtrain.data_owner.metrics import Metrics
from fedtrain.data_owner.policy.inspector import Inspector
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.release.marks import AnswerMarks
from fedtrain.data_owner.release.mask_keys import MaskKeys, SealingKeys
from fedtrain.data_owner.release.noised_release import NoiseKey
from fedtrain.data_owner.release.pools import Pools
from fedtrain.data_owner.release.told_files import RowFiles, ToldSums
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.neural import Trainer
from fedtrain.protocol.clock import Clock, timestamp
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.documents.trust import Trust
from fedtrain.service.notify.notifier import Notifier
from fedtrain.service.runtime.extras import how_to_install
from fedtrain.service.vault.backup import restored_at
from fedtrain.service.vault.key_files import KeyFiles


@dataclass(frozen=True)
class Setup:
    """Parts of an owner that are there before it runs. `trust`: pins besides the policy's, as they are now.

    `executor`: runs what takes long. `transport`: to the Facilitator, by default the network. `trainer`: stands in for
    the process that trains networks.
    """

    settings: DataOwnerSettings
    clock: Clock
    identity: Identity
    keys: KeyFiles
    policy: OwnerPolicy
    trust: Callable[[], Trust]
    membership: SignedDocument | None
    notifier: Notifier
    metrics: Metrics
    fits: TableFits
    executor: Executor
    transport: httpx.AsyncBaseTransport | None
    trainer: Trainer | None

    def stamp(self) -> str:
        """The time of day as messages carry it."""
        return timestamp(self.clock)


def open_workshop(setup: Setup, engine: Engine, cluster: Cluster | None, trainer: ObservedTrainer) -> Workshop:
    """Open what an owner works with, over `engine`; a `cluster` reduces its tables. Blocks.

    Raises Problem and DatabaseError where the store cannot be opened, SecretFileError where a key is not usable.
    """
    settings, keys, now = setup.settings, setup.keys, setup.clock.now
    store = OwnerStore(settings.database, settings.state_dir)
    store.remove_unnamed_bodies()
    rows = RowFiles(settings.state_dir, keys, secrets.token_bytes)
    told = ToldSums(settings.state_dir)
    memory = Memory(told, rows, store, now, restored_at(settings.state_dir))
    memory.take_over()
    frozen = FrozenFolder(settings.state_dir / "moments", secrets.token_bytes)
    reduce = reduce_here if cluster is None else ClusterReducer(cluster)
    examples = ExamplesFreezer(frozen, rows)
    examples.forget_unfinished()
    return Workshop(
        identity=setup.identity,
        store=store,
        frozen=frozen,
        moments=MomentsFreezer(frozen, store, setup.stamp, rows, reduce=reduce),
        examples=examples,
        inspector=Inspector(frozen.path, setup.policy, frozen.split, rows.key),
        mask_keys=MaskKeys(settings.state_dir / "keys", keys),
        sealing_keys=SealingKeys(settings.state_dir / "keys", keys),
        noise_key=NoiseKey(settings.state_dir, keys, secrets.token_bytes),
        marks=AnswerMarks(settings.state_dir / "keys"),
        memory=memory,
        spendings=Spendings(store, told, rows.get, now),
        pools=Pools(engine),
        engine=engine,
        now=now,
        trainer=trainer,
        cannot_train=how_to_install("torch") if setup.trainer is None and find_spec("torch") is None else None,
    )
