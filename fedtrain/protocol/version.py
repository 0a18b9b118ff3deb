"""Versions that travel in messages."""

from fedtrain.spec.problems import Code, Problem

#: Version of the messages between parties. Another major version is refused by name.
PROTOCOL_VERSION = "1.0"


def is_newer_minor(version: str) -> bool:
    """Say whether `version` is this side's major version with a higher minor one: it may have fields unknown here."""
    major, _, minor = version.partition(".")
    own_major, _, own_minor = PROTOCOL_VERSION.partition(".")
    return major == own_major and minor.isascii() and minor.isdigit() and int(minor[:9]) > int(own_minor)


def check_protocol(version: str) -> None:
    """Raises Problem(PROTOCOL_VERSION) unless `version` has this side's major version."""
    if version.split(".", 1)[0] != PROTOCOL_VERSION.split(".", 1)[0]:
        raise Problem(
            Code.PROTOCOL_VERSION,
            f"The message is of protocol version {version[:20]!r}, this party speaks {PROTOCOL_VERSION}: "
            "upgrade the older of the two.",
        )
