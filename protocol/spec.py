"""The model spec: what a user writes, and what every party reads the same way.

Unknown fields are refused by name. Defaults are those of a job that a careful user would run.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_serializer,
    model_validator,
)

from protocol.model_types import MODEL_KINDS, ModelKind

MAX_COLUMNS = 4096
#: Of all columns together: what every party compares whenever it reads a spec.
MAX_CATEGORIES = 20_000
