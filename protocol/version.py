"""Versions that travel in messages."""

from protocol.problems import Code, Problem

#: Version of the messages between parties. Another major version is refused by name.
PROTOCOL_VERSION = "1.0"


def check_protocol(version: str) -> None:
    """Raises Problem(PROTOCOL_VERSION) unless `version` has this side's major version."""
    if version.split(".", 1)[0] != PROTOCOL_VERSION.split(".", 1)[0]:
        raise Problem(
            Code.PROTOCOL_VERSION,
            f"The message is of protocol version {version[:20]!r}, this party speaks {PROTOCOL_VERSION}: "
            "upgrade the older of the two.",
        )
