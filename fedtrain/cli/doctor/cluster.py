"""The Dask cluster that a Data Owner's settings name: reached, private, and of this version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fedtrain.service.health.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from fedtrain.data_owner.settings import DataOwnerSettings

_CHECK = "cluster"


def check_cluster(settings: DataOwnerSettings, version: Callable[[], str] | None = None) -> Iterator[Finding]:
    """Findings on the cluster, none where the settings name none. Takes half a minute where it does not answer.

    `version`: what workers must return as this process does, by default the version of the code.
    """
    import structlog

    from fedtrain.data_owner.data.cluster import LOCAL, SCHEME, Cluster, code_version, is_open

    if not settings.engine.startswith(SCHEME):
        return
    if settings.engine == LOCAL:
        yield ok(_CHECK, f"the service starts {settings.workers} Dask workers of its own")
        return
    if is_open(settings.engine):
        remedy = "name ca-file, client's cert and key in Dask's own settings (distributed.comm.tls)"
        yield warn("cluster's TLS", f"records go to {settings.engine} for anybody on the way to read", remedy)
    silent = structlog.wrap_logger(structlog.testing.ReturnLogger(), processors=[])
    cluster = Cluster(settings.engine, settings.workers, time.monotonic, version or code_version, silent)
    slots = cluster.slots()
    for worker, found in cluster.refused.items():
        remedy = "install there what is installed here, and start it again"
        yield warn(_CHECK, f"the worker at {worker} is not used, it has another version: {found}", remedy)
    if slots:
        yield ok(_CHECK, f"{settings.engine} takes {slots} parts at once")
    else:
        remedy = (
            "until it can be used the Data Owner computes by itself: start `dask scheduler`, and `dask worker` with it"
        )
        yield fail(_CHECK, f"{settings.engine} cannot be used: {cluster.trouble}", remedy)
    cluster.close()
