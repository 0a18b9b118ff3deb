"""Faults in a service's settings, by what a person has to correct: option, variable, or line of a file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

PREFIX = "FEDTRAIN_"
#: Settings that may go by a shorter name too.
_SHORT_NAMES = {"schema_file": "schema"}


def wrong_settings(error: ValidationError, options: Mapping[str, object], known: Iterable[str]) -> str:
    """Return every setting that cannot be, each after its source, in one line that quotes no value.

    `options`: what the command was given, by setting, the state folder among them if it is not in the environment;
    `known`: the names of all settings. Raises SettingsFileError for a `party.toml` that cannot be read.
    """
    known = (*known, *_SHORT_NAMES.values())
    told = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        setting = str(item["loc"][0]) if item["loc"] else ""
        message = str(item["msg"]).removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            meant = difflib.get_close_matches(setting, known, 1, 0.6)
            message = f"there is no such setting{f': is {meant[0]} meant?' if meant else ''}"
        within = ".".join(str(part) for part in item["loc"][1:])  # of a table: its own field
        message = f"{within}: {message}" if within else message
        told.append(f"{_source(setting, options)}: {message}" if setting else message)
    return " | ".join(told)


def _source(setting: str, options: Mapping[str, object]) -> str:
    """Say where a setting comes from; the first of option, environment and file is the one that counts."""
    from fedtrain.service.runtime.settings import PARTY_FILE, read_party_file

    names = [setting, *(name for pair in _SHORT_NAMES.items() if setting in pair for name in pair if name != setting)]
    for name in names:
        if options.get(name) is not None:
            return f"--{name.replace('_', '-')}"
    variables = {variable.upper() for variable in os.environ}
    for name in names:
        if PREFIX + name.upper() in variables:
            return PREFIX + name.upper()
    folder = Path(str(options.get("state_dir") or os.environ.get(PREFIX + "STATE_DIR") or "."))
    in_file = read_party_file(folder)
    return next((f"{folder / PARTY_FILE}: {name}" for name in names if name in in_file), setting)
