"""The owner's rules on differential privacy: the table `[privacy]` of its policy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fedtrain.spec.model_spec import Strict


class PrivacyPolicy(Strict):
    """`colluders`: other owners that may work together with who decrypts; a claim must not count on their noise."""

    colluders: Annotated[int, Field(ge=0, le=10_000)] = 1
