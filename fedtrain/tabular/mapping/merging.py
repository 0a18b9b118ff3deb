"""Several owners' drafts of a schema made one: the union, and everything in which the drafts differ, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fedtrain.spec.columns import NUMERIC, Column, DataProps, Feature, FeatureType, Target, category_text
from fedtrain.tabular.mapping.matching import folded, folded_value, like_name, same_category

#: Widths of two ranges that differ so many times may be in two units.
_ANOTHER_UNIT: Final = 5.0


@dataclass(frozen=True)
class MergeNote:
    """A difference between drafts, and what is proposed. `kind`: "name", "absent", "type", "role", "categories",
    "spelling", "range" or "missing"; `conflict`: it needs a decision."""

    kind: str
    column: str
    message: str
    conflict: bool


@dataclass(frozen=True)
class Merged:
    """The proposed schema, as `schema.json` has it, and the notes, in the order of its columns."""

    schema: DataProps
    notes: tuple[MergeNote, ...]


@dataclass(frozen=True)
class _Of:
    """One column as one draft has it."""

    draft: str
    column: Column

    @property
    def name(self) -> str:
        return str(self.column.name)

    @property
    def kind(self) -> FeatureType:
        """The type; a target's follows from its range or categories."""
        if isinstance(self.column, Feature):
            return self.column.type
        return FeatureType.CONTINUOUS if self.column.range is not None else FeatureType.NOMINAL


def merge_schemas(drafts: Mapping[str, DataProps], *, target: str | None = None, common: bool = False) -> Merged:
    """Propose one schema for `drafts`, each by its name, such as its file's.

    `target`: the column to predict; by default what most drafts have for theirs, if any has one. `common`: leave out
    columns that a draft lacks. Marks of numbers stay with each owner's mapping. Raises ValueError where a draft has
    columns that cannot be aligned, where the target is in no draft, or where no feature is left.
    """
    groups: dict[str, list[_Of]] = {}
    for draft, props in drafts.items():
        for column in props.columns:
            if column.name is None:
                raise ValueError(f"{draft}: {column.label} has no name, and columns are aligned by their names")
            if column.range is None and column.categories is None:
                raise ValueError(f"{draft}: {column.label} has neither a range nor categories to compare")
            key = folded(column.name) or column.name
            if any(one.draft == draft for one in groups.get(key, ())):
                raise ValueError(f"{draft}: {column.name!r} and {groups[key][-1].name!r} differ in spelling alone")
            groups.setdefault(key, []).append(_Of(draft, column))
    notes: list[MergeNote] = []
    chosen = _target(groups, target)
    features, targets = [], []
    for key, found in groups.items():
        name = _name(found, notes)
        absent = [draft for draft in drafts if draft not in {one.draft for one in found}]
        if absent:
            _absent(name, absent, found, groups, common, notes)
            if common and key != chosen:
                continue
        declared = _declared(name, found, notes)
        roles = {one.draft: isinstance(one.column, Target) for one in found}
        if len(set(roles.values())) > 1:
            said = ", ".join(draft for draft, is_target in roles.items() if is_target)
            became = "the target" if key == chosen else "a feature"
            notes.append(MergeNote("role", name, f"a target in {said} and a feature elsewhere: {became} here", False))
        if key == chosen:
            declared.pop("type")
            if declared.get("missing") not in (None, "drop", "error"):
                declared.pop("missing")
            targets.append(declared)
        else:
            features.append(declared)
    if not features:
        raise ValueError("no feature is left that all drafts have: name a union, or correct the names")
    schema = DataProps.model_validate({"features": features, "target": targets[0] if targets else None})
    return Merged(schema, tuple(notes))


def _target(groups: Mapping[str, Sequence[_Of]], asked: str | None) -> str | None:
    if asked is not None:
        if folded(asked) not in groups:
            raise ValueError(f"no draft has a column {asked!r} to predict")
        return folded(asked)
    votes = Counter(key for key, found in groups.items() for one in found if isinstance(one.column, Target))
    return votes.most_common(1)[0][0] if votes else None


def _name(found: Sequence[_Of], notes: list[MergeNote]) -> str:
    spelt = Counter(one.name for one in found)
    name = spelt.most_common(1)[0][0]
    if len(spelt) > 1:
        others = ", ".join(f"{one.name!r} in {one.draft}" for one in found if one.name != name)
        notes.append(MergeNote("name", name, f"is {others}: a mapping there takes {name!r} from it", False))
    return name


def _absent(
    name: str,
    absent: Sequence[str],
    found: Sequence[_Of],
    groups: Mapping[str, Sequence[_Of]],
    common: bool,
    notes: list[MergeNote],
) -> None:
    here = {one.draft for one in found}
    strangers = [one for group in groups.values() for one in group if one.draft in absent]
    free = {one.name: one.draft for one in strangers if not here & {other.draft for other in groups[folded(one.name)]}}
    like = like_name(name, list(free))
    guess = f"; is it {like[0]!r} there, in {free[like[0]]}?" if like else ""
    kept = "left out" if common else "kept: their mappings must find it, or take it out"
    notes.append(MergeNote("absent", name, f"not in {', '.join(absent)}, {kept}{guess}", True))


def _declared(name: str, found: Sequence[_Of], notes: list[MergeNote]) -> dict[str, Any]:
    numeric = [one for one in found if one.kind in NUMERIC]
    texts = [one for one in found if one.kind not in NUMERIC]
    of_numbers = len(numeric) > len(texts)
    if numeric and texts:
        kept, others = (numeric, texts) if of_numbers else (texts, numeric)
        what = "numbers" if of_numbers else "categories"
        said = f"{what} in {_drafts(kept)}, and not in {_drafts(others)}: {what} here, which a mapping has to make"
        notes.append(MergeNote("type", name, said, True))
    declared: dict[str, Any] = {"name": name}
    description = next((one.column.description for one in found if one.column.description), "")
    if description:
        declared["description"] = description
    if of_numbers:
        whole = all(one.kind is FeatureType.DISCRETE for one in numeric)
        declared["type"] = FeatureType.DISCRETE if whole else FeatureType.CONTINUOUS
        declared["range"] = _range(name, numeric, notes)
    else:
        ordinal = {one.kind for one in texts} == {FeatureType.ORDINAL}
        declared["type"] = FeatureType.ORDINAL if ordinal else FeatureType.NOMINAL
        declared["categories"] = _categories(name, texts, notes)
    _missing(name, numeric if of_numbers else texts, declared, notes)
    return declared


def _range(name: str, found: Sequence[_Of], notes: list[MergeNote]) -> tuple[float, float]:
    ranges = {one.draft: one.column.range for one in found if one.column.range is not None}
    low, high = min(one[0] for one in ranges.values()), max(one[1] for one in ranges.values())
    if len(set(ranges.values())) > 1:
        widths = [one[1] - one[0] for one in ranges.values()]
        unit = max(widths) >= _ANOTHER_UNIT * min(widths)
        said = ", ".join(f"{one[0]:g} to {one[1]:g} in {draft}" for draft, one in ranges.items())
        more = ": are they of one unit?" if unit else ""
        notes.append(MergeNote("range", name, f"{said}; {low:g} to {high:g} here{more}", unit))
    return low, high


def _categories(name: str, found: Sequence[_Of], notes: list[MergeNote]) -> list[Any]:
    merged: dict[str, Any] = {}
    drafts: dict[str, list[str]] = {}
    for one in found:
        for category in one.column.categories or ():
            key = folded_value(category_text(category)) or category_text(category)
            if key in merged and category_text(merged[key]) != category_text(category):
                said = f"{category!r} in {one.draft} is spelt {merged[key]!r} here, which a mapping there has to make"
                notes.append(MergeNote("spelling", name, said, False))
            merged.setdefault(key, category)
            drafts.setdefault(key, []).append(one.draft)
    everywhere = [one.draft for one in found]
    partial = {key: held for key, held in drafts.items() if len(held) < len(everywhere)}
    texts = [category_text(category) for category in merged.values()]
    for key, held in partial.items():
        others = [text for text in texts if (folded_value(text) or text) != key]
        meant, _ = same_category(category_text(merged[key]), others)
        guess = f": is it {meant!r}?" if meant is not None else ""
        said = f"{merged[key]!r} is in {', '.join(held)} alone{guess}"
        notes.append(MergeNote("categories", name, said, True))
    return list(merged.values())


def _missing(name: str, found: Sequence[_Of], declared: dict[str, Any], notes: list[MergeNote]) -> None:
    rules = {one.draft: one.column.missing for one in found}
    chosen = next((rule for rule in rules.values() if rule not in ("error", "drop")), None)
    if chosen is None and "drop" in rules.values():
        chosen = "drop"
    if len({repr(rule) for rule in rules.values() if rule != "error"}) > 1:
        said = ", ".join(f"{rule!r} in {draft}" for draft, rule in rules.items())
        notes.append(MergeNote("missing", name, f"missing is {said}: {chosen!r} here", True))
    if chosen is not None:
        declared["missing"] = chosen


def _drafts(found: Sequence[_Of]) -> str:
    return ", ".join(one.draft for one in found)
