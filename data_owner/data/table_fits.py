"""Reports on how registered tables hold against their schemas, found when they are registered and at every start.

What is found quotes values and counts, and is for the owner's own people. Logs name columns and codes; `/readyz`, which
anybody may read, names the dataset alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import structlog

from fedtrain.data_owner.policy.inspector import Inspector
from fedtrain.data_owner.store.records import Dataset
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.service.health.finding import Finding, fail, ok, warn
from fedtrain.tabular.check import TableReport, check_table
from fedtrain.tabular.mapping.effects import ColumnEffects, mapping_effects

log = structlog.get_logger("data_owner")


class TableFits:
    """Reports on the datasets on offer that have a schema. Reading a table blocks: call it from a thread."""

    def __init__(self) -> None:
        self._reports: dict[str, tuple[str, TableReport]] = {}
        self._effects: dict[str, tuple[tuple[str, bool], list[ColumnEffects]]] = {}

    def look_at_all(self, store: OwnerStore, inspector: Inspector) -> None:
        """Read every dataset on offer."""
        for dataset in store.datasets():
            try:
                self.look_at(dataset, inspector)
            except Exception:  # whatever it is, the others are still to be read
                log.exception("a table could not be looked at", dataset=dataset.name)

    def look_at(self, dataset: Dataset, inspector: Inspector) -> None:
        """Read one dataset, and log where it does not fit its schema, raises a question or has rows that stand out."""
        schema = dataset.schema_
        if schema is None:
            self._reports.pop(dataset.name, None)
            return
        report = check_table(Path(dataset.path), schema, None, mapping=dataset.mapping)
        if report.usable:
            report.waits += inspector.findings(dataset, schema)
        self._reports[dataset.name] = (dataset.version, report)
        if report.problems:
            found = sorted({f"{problem.column or 'the table'}: {problem.code}" for problem in report.problems})
            log.warning("the table does not fit its schema: see fedtrain check", dataset=dataset.name, found=found)
        if report.questions:
            found = sorted({f"{question.column}: {question.code}" for question in report.questions})
            log.warning("the table raises questions: see fedtrain check", dataset=dataset.name, found=found)
        if report.waits:
            event = {"dataset": dataset.name, "reasons": len(report.waits)}
            log.warning("jobs over the table may be declined, or wait for a person: see fedtrain check", **event)

    def report(self, dataset: Dataset) -> TableReport | None:
        """The report on this version; None without a schema, and as long as the table has not been read."""
        version, report = self._reports.get(dataset.name, ("", None))
        return report if version == dataset.version else None

    def effects(self, dataset: Dataset) -> list[ColumnEffects]:
        """Return what its mapping does to this version, for which the table is read once. Raises TableError."""
        if dataset.mapping is None:
            return []
        # A declaration that comes later may say of the same version that it has no header.
        read = dataset.version, dataset.schema_ is None or dataset.schema_.header
        kept, effects = self._effects.get(dataset.name, (None, []))
        if kept != read:
            effects = mapping_effects(dataset.path, dataset.mapping, read[1])
            self._effects[dataset.name] = (read, effects)
        return effects

    def findings(self, store: OwnerStore) -> Iterator[Finding]:
        """Yield what there is to say of each dataset on offer, for this owner's own people."""
        for dataset in store.datasets():
            check, report = f"dataset {dataset.name}", self.report(dataset)
            if report is None:
                yield ok(check, "on offer; " + ("not declared yet" if dataset.schema_ is None else "it is being read"))
            elif not report.usable:
                columns = sorted({problem.column or "the table" for problem in report.problems})
                remedy = (
                    "`fedtrain check` names every value, and its page the columns: mend the table, and offer it anew"
                )
                yield fail(check, f"it does not fit its declaration: {', '.join(columns)}", remedy)
            elif report.questions or report.waits:
                yield warn(
                    check, "it fits, and jobs over it may wait for a person", "its page and `fedtrain check` say why"
                )
            else:
                yield ok(check, "it fits its declaration")

    def remarks(self) -> list[str]:
        """A line for each dataset that does not fit, without its columns, values and counts."""
        names = sorted(name for name, (_, report) in self._reports.items() if not report.usable)
        return [f"dataset {name} does not fit its schema: `fedtrain check` says where" for name in names]
