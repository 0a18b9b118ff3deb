"""Error that keeps a party from starting, told to the person who starts it."""

from __future__ import annotations


class SetupError(Exception):
    """A file or a setting cannot be used; the message names it and says what to do."""
