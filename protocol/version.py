"""Versions that travel in messages."""

#: Version of the messages between parties. Another major version is refused by name.
PROTOCOL_VERSION = "1.0"


def major(version: str) -> str:
    """Return the part of a protocol version before the first dot: what must be equal between parties."""
    return version.split(".", 1)[0]
