"""The three kinds of service by role: their settings, as a command gives them, and their applications.

The packages of a party are imported only when it is asked for, which keeps `fedtrain --help` quick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedtrain.cli.output import Failure
from fedtrain.protocol.states import Role

if TYPE_CHECKING:
    from fastapi import FastAPI

    from fedtrain.service.runtime.settings import ServiceSettings


def settings_class(role: Role) -> type[ServiceSettings]:
    """Return the class of a role's settings."""
    match role:
        case Role.FACILITATOR:
            from fedtrain.facilitator.settings import FacilitatorSettings

            return FacilitatorSettings
        case Role.DATA_OWNER:
            from fedtrain.data_owner.settings import DataOwnerSettings

            return DataOwnerSettings
        case Role.MODEL_OWNER:
            from fedtrain.model_owner.settings import ModelOwnerSettings

            return ModelOwnerSettings


def settings_of(role: Role, options: Mapping[str, object]) -> ServiceSettings:
    """Return a role's settings: the options that are not None, else FEDTRAIN_*, else `party.toml`, else the defaults.

    Raises Failure that names each setting that cannot be with its source, and SetupError for a file that cannot be
    read.
    """
    from pydantic import ValidationError

    from fedtrain.cli.services.setting_sources import wrong_settings

    kind, values = settings_class(role), given(role, options)
    try:
        return kind(**values)
    except ValidationError as error:
        raise Failure(wrong_settings(error, values, kind.model_fields)) from None


def given(role: Role, options: Mapping[str, object]) -> dict[str, Any]:
    """Return what the command line gives, the state folder with it where nothing else names one."""
    options = {name: value for name, value in options.items() if value is not None}
    if "state_dir" not in options and "FEDTRAIN_STATE_DIR" not in os.environ:
        # It goes by name, so that two Data Owners started in one folder don't share an identity.
        name = options.get("name") or os.environ.get("FEDTRAIN_NAME") or role.value
        options["state_dir"] = Path(".fedtrain") / str(name)
    return options


def application(role: Role) -> Callable[..., FastAPI]:
    """Return what makes a role's application: (settings, *, clock, executor) → FastAPI."""
    match role:
        case Role.FACILITATOR:
            from fedtrain.facilitator.app import create_app as create_facilitator

            return create_facilitator
        case Role.DATA_OWNER:
            from fedtrain.data_owner.app import create_app as create_data_owner

            return create_data_owner
        case Role.MODEL_OWNER:
            from fedtrain.model_owner.app import create_app as create_model_owner

            return create_model_owner
