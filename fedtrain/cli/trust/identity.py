"""`fedtrain identity`: who this party is, how it joins a consortium, and its private keys encrypted at rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedtrain.cli.output import Failure, console, echo, print_json
from fedtrain.cli.services.commands import KeyFile, KeyPassphraseFile
from fedtrain.cli.services.state_folder import party_settings
from fedtrain.protocol.states import Role

if TYPE_CHECKING:
    from fedtrain.service.vault.key_files import KeySecret

app = typer.Typer(name="identity", help="Print this party's id; join a consortium; encrypt its private keys.")
StateDir = Annotated[Path, typer.Option(help="The party's state folder.")]
NewPassphraseFile = Annotated[
    Path | None,
    typer.Option("--new-key-passphrase-file", help="File with the passphrase to encrypt under."),
]
NewKeyFile = Annotated[Path | None, typer.Option("--new-key-file", help="File of 32 bytes, in a passphrase's place.")]


@app.callback(invoke_without_command=True)
def identity(
    context: typer.Context,
    role: Annotated[Role, typer.Option(help="Whose folder .fedtrain/ROLE is meant.")] = Role.DATA_OWNER,
    state_dir: Annotated[Path | None, typer.Option(help="The party's state folder. Default .fedtrain/ROLE.")] = None,
    key_passphrase_file: KeyPassphraseFile = None,
    key_file: KeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Print this party's id and name; the identity is made, readable for its owner alone, where there is none."""
    if context.invoked_subcommand is not None:
        return
    from fedtrain.service.runtime.connection import key_files_of
    from fedtrain.service.runtime.settings import read_party_file
    from fedtrain.service.vault.identity_file import load_or_create_identity
    from fedtrain.service.vault.secret_files import IDENTITY_FILE

    folder = state_dir or Path(".fedtrain") / role.value
    new = not (folder / IDENTITY_FILE).exists()
    keys = key_files_of(party_settings(folder, key_passphrase_file, key_file))
    party_id = load_or_create_identity(folder, keys).party_id
    if new:
        echo(f"{folder} had no identity: a new one was made", err=True)
    name = str(read_party_file(folder).get("name", folder.name))
    if as_json:
        print_json({"party_id": party_id, "name": name, "state_dir": str(folder)})
        return
    console().print(f"{party_id}  {name}", markup=False)


@app.command()
def request(
    role: Annotated[Role, typer.Option(help="Part that the party takes.")],
    name: Annotated[str, typer.Option(help="Name of the party, as the consortium's file has it.")],
    out: Annotated[Path, typer.Option(help="Where the request goes: a file for the organiser, without a secret.")],
    state_dir: Annotated[Path | None, typer.Option(help="The party's state folder. Default .fedtrain/NAME.")] = None,
    renew: Annotated[
        bool,
        typer.Option("--renew", help="Ask again under the identity that is there: membership, token, certificate."),
    ] = False,
    key_passphrase_file: KeyPassphraseFile = None,
    key_file: KeyFile = None,
) -> None:
    """Make this party's keys, here, and write what the organiser signs: the public ones, and who it is."""
    from datetime import UTC, datetime

    from fedtrain.cli.trust.joining import request_admission
    from fedtrain.service.runtime.connection import key_files_of
    from fedtrain.service.vault.identity_file import load_or_create_identity
    from fedtrain.service.vault.secret_files import IDENTITY_FILE, write_secret

    name = _checked_name(name)
    folder = state_dir or Path(".fedtrain") / name
    if out.exists():
        raise Failure(f"{out} is there already, and is not written over: name another --out, or delete it")
    if (folder / IDENTITY_FILE).exists() != renew:
        raise Failure(
            f"{folder} has no identity to renew: leave --renew out"
            if renew
            else f"{folder} has an identity already, which is never written over: ask for it again with --renew, or "
            "name another --state-dir"
        )
    identity = load_or_create_identity(folder, key_files_of(party_settings(folder, key_passphrase_file, key_file)))
    signed = request_admission(folder, identity, role, name, datetime.now(UTC))
    write_secret(out, signed.model_dump_json().encode(), replace=False)
    echo(f"{identity.party_id}  {name}")
    echo(
        f"Send {out} to the organiser, and read the line above to them by telephone. Their answer, and the "
        "consortium's id that they read to you, go to `fedtrain identity accept`.",
        err=True,
    )


@app.command()
def accept(
    answer: Annotated[Path, typer.Argument(help="The organiser's answer, NAME.admission.json.")],
    state_dir: StateDir,
    consortium: Annotated[
        str | None, typer.Option(help="The consortium's id, as its organiser read it to you; not needed once pinned.")
    ] = None,
    key_passphrase_file: KeyPassphraseFile = None,
    key_file: KeyFile = None,
) -> None:
    """Put the organiser's answer in place: membership, certificate, settings. It pins the consortium's key.

    At the Facilitator it also adds the tokens of new members, and is run again for each answer with more of them.
    """
    from datetime import UTC, datetime

    from fedtrain.cli.trust.joining import accept_admission
    from fedtrain.cli.trust.signed_file import read_signed
    from fedtrain.protocol.admission import Admission, open_request
    from fedtrain.protocol.documents.signed import open_document
    from fedtrain.service.runtime.connection import key_files_of
    from fedtrain.service.vault.identity_file import load_identity
    from fedtrain.service.vault.trust_file import read_pins

    identity = load_identity(state_dir, key_files_of(party_settings(state_dir, key_passphrase_file, key_file)))
    signed = read_signed(answer, lambda one: open_document(one, Admission))
    known = {pin.key for pin in read_pins(state_dir) if pin.role == "consortium"}
    given = known if consortium is None else {consortium.strip().lower()}
    if not given:
        raise Failure(
            f"{state_dir} pins no consortium yet: give the id that the organiser reads to you, --consortium KEY"
        )
    if signed.signer not in given:
        raise Failure(
            f"{answer} is signed by {signed.signer[:16]}…, and the consortium is "
            f"{' or '.join(f'{key[:16]}…' for key in sorted(given))}: nothing was taken from it"
        )
    admission = accept_admission(state_dir, identity, signed, signed.signer, datetime.now(UTC))
    who = open_request(admission.request)
    console().print(f"{who.name} is the {who.role} of {admission.consortium}; {state_dir} is its folder.", markup=False)


@app.command()
def encrypt(state_dir: StateDir, key_passphrase_file: KeyPassphraseFile = None, key_file: KeyFile = None) -> None:
    """Encrypt the private keys in a state folder. Stop its service first; interrupted, run it again."""
    from fedtrain.service.vault.key_files import encrypt_keys

    with _stopped(state_dir):
        count = encrypt_keys(state_dir, _secret(state_dir, key_passphrase_file, key_file))
    if count == 0:
        console().print(f"The private keys in {state_dir} are already encrypted.", markup=False)
        return
    console().print(f"{count} private keys in {state_dir} encrypted.", markup=False)
    console().print("Without what they are encrypted under nobody can read them again: keep a copy of it elsewhere.")


@app.command()
def decrypt(state_dir: StateDir, key_passphrase_file: KeyPassphraseFile = None, key_file: KeyFile = None) -> None:
    """Write the private keys in a state folder as they are. Stop its service first; interrupted, run it again."""
    from fedtrain.service.vault.key_files import decrypt_keys

    with _stopped(state_dir):
        count = decrypt_keys(state_dir, _secret(state_dir, key_passphrase_file, key_file))
    console().print(f"{count} private keys in {state_dir} are no longer encrypted.", markup=False)


@app.command()
def rotate(
    state_dir: StateDir,
    new_key_passphrase_file: NewPassphraseFile = None,
    new_key_file: NewKeyFile = None,
    key_passphrase_file: KeyPassphraseFile = None,
    key_file: KeyFile = None,
) -> None:
    """Encrypt under another passphrase or key file. Stop the service first."""
    from fedtrain.service.vault.key_files import KeySecret, change_secret

    new = KeySecret.read(new_key_passphrase_file, new_key_file)
    if new is None:
        raise Failure("name the new secret with --new-key-passphrase-file or --new-key-file")
    with _stopped(state_dir):
        change_secret(state_dir, _secret(state_dir, key_passphrase_file, key_file), new)
    console().print(f"The private keys in {state_dir} open with the {new.kind} in {new.source}.", markup=False)


def _checked_name(name: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from fedtrain.protocol.documents.signed import Name

    try:
        return TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise Failure(
            f"--name is {name[:100]!r}: letters, digits, '.', '_' and '-', with a letter or digit first, 100 at most"
        ) from None


@contextmanager
def _stopped(state_dir: Path) -> Iterator[None]:
    """The folder with no service at work in it: one would go on writing keys as it found them at its start."""
    from fedtrain.service.vault.folder_lock import folder_lock
    from fedtrain.service.vault.secret_files import IDENTITY_FILE

    if not (state_dir / IDENTITY_FILE).exists():
        raise Failure(f"{state_dir} has no {IDENTITY_FILE}: name the state folder of a party.")
    with folder_lock(state_dir):
        yield


def _secret(state_dir: Path, key_passphrase_file: Path | None, key_file: Path | None) -> KeySecret:
    from fedtrain.service.vault.key_files import KeySecret

    settings = party_settings(state_dir, key_passphrase_file, key_file)
    secret = KeySecret.read(settings.key_passphrase_file, settings.key_file)
    if secret is None:
        raise Failure("name what to encrypt under with --key-passphrase-file or --key-file")
    return secret
