"""Ask the service of this container how it is: exit code 0 when it answers 200 at the path that is given.

python healthcheck.py [/healthz]

For Docker's HEALTHCHECK and for Kubernetes' exec probes, which also reach a service on loopback, and one that wants a
client certificate. Port and TLS are those that the service has: from its command line, FEDTRAIN_* or party.toml. Uses
nothing but the standard library, so that a probe takes a fraction of a second.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PORTS = {"facilitator": 8080, "model-owner": 9090, "data-owner": 5000}
ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - to be recognised, not listened on
TIMEOUT_S = 4.0


@dataclass(frozen=True)
class Target:
    """Where this container's service listens, and the PEM files of its own certificate, if it has one."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


def target(command: Sequence[str], environment: Mapping[str, str]) -> Target:
    """Return where the service started by `command` (arguments, the program's own name included) listens.

    Raises ValueError where neither says a port, and tomllib.TOMLDecodeError for a party.toml that is none.
    """
    folder = Path(_option(command, "--state-dir") or environment.get("FEDTRAIN_STATE_DIR", "."))
    file = folder / "party.toml"
    party = tomllib.loads(file.read_text()) if file.is_file() else {}

    def setting(name: str) -> str | None:
        given = _option(command, "--" + name.replace("_", "-")) or environment.get(f"FEDTRAIN_{name.upper()}")
        return given or (str(party[name]) if name in party else None)

    def path(name: str) -> Path | None:
        found = setting(name)
        return None if found is None else folder / found

    role = next((word for word in command if word in PORTS), "")
    port = setting("port") or PORTS.get(role)
    if port is None:
        raise ValueError("the first process of this container is no service, and nothing says a port")
    host = setting("host") or "127.0.0.1"
    return Target("127.0.0.1" if host in ANYWHERE else host, int(port), path("tls_cert"), path("tls_key"))


def _option(command: Sequence[str], name: str) -> str | None:
    for index, word in enumerate(command):
        if word == name and index + 1 < len(command):
            return command[index + 1]
        if word.startswith(name + "="):
            return word.removeprefix(name + "=")
    return None


def status(where: Target, path: str) -> int:
    """Return the HTTP status of GET `path`. Raises OSError or http.client.HTTPException where nobody answers so."""
    connection: http.client.HTTPConnection
    if where.certificate is None:
        connection = http.client.HTTPConnection(where.host, where.port, timeout=TIMEOUT_S)
    else:
        # It asks its own container and sends nothing secret: who answers need not be proven.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(where.certificate, where.key)
        connection = http.client.HTTPSConnection(where.host, where.port, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def main(arguments: Sequence[str], command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Return the exit code, and say in one line what is wrong where something is."""
    path = arguments[0] if arguments else "/healthz"
    try:
        answered = status(target(command, environment), path)
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"{path}: {error or type(error).__name__}", file=sys.stderr)  # noqa: T201 - where Docker and Kubernetes look
        return 1
    if answered != 200:
        print(f"{path}: HTTP status {answered}", file=sys.stderr)  # noqa: T201 - where Docker and Kubernetes look
    return int(answered != 200)


if __name__ == "__main__":
    first_process = Path("/proc/1/cmdline").read_bytes().decode().split("\0")
    sys.exit(main(sys.argv[1:], first_process, os.environ))
