"""The table `[timestamps]` of `party.toml`: the authority that dates what a party signs at a job's end."""

from __future__ import annotations

from pathlib import Path

from fedtrain.client.address import Address
from fedtrain.spec.model_spec import Strict


class TimestampSettings(Strict):
    """A time stamp authority, and what its stamps are held against.

    `url`: the authority's, http or https (a stamp is signed, and asking for one tells a hash). `roots`: a PEM file of
    certificates that its stamps have to lead to; it may be named as from the state folder.
    """

    url: Address
    roots: Path
