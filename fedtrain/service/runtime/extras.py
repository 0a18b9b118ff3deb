"""Packages that only some installations have, and the words on how to get one that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import requires
from typing import Final

PROJECT: Final = "federated-trainer"

#: The extra of pyproject.toml that brings a package, by the name that it is imported by.
EXTRA_OF: Final[Mapping[str, str]] = {
    "dask": "dask",
    "distributed": "dask",
    "PIL": "images",
    "authlib": "oidc",
    "joserfc": "oidc",
    "onnx": "export",
    "skl2onnx": "export",
    "sklearn": "export",
    "skops": "export",
    "psycopg": "postgres",
    "rfc3161_client": "timestamps",
    "torch": "torch",
}


def how_to_install(module: str | None) -> str | None:
    """Return how the extra that brings `module` is installed, in a clone and elsewhere; None where none does."""
    package = (module or "").partition(".")[0]
    extra = EXTRA_OF.get(package)
    if extra is None:
        return None
    needed = [one.partition(";")[0].strip() for one in requires(PROJECT) or () if f'extra == "{extra}"' in one]
    quoted = " ".join(f"'{one}'" for one in needed)
    return (
        f"{package} is not installed here: it comes with the extra `{extra}`, in a clone by "
        f"./scripts/install_extra.sh {extra}, elsewhere by pip install {quoted}"
    )
