"""`strongroom escrow`: the offline key that opens backups when KMS and OpenBao cannot be reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.output import Json, print_json

app = typer.Typer(help="The offline escrow key: create it, and test that its file and passphrase still open.")
Passphrase = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File whose first line is the passphrase; default: asked for."),
]


def read_passphrase(file: Path | None, *, confirm: bool = False) -> bytes:
    """The passphrase from a file or the terminal; never from argv or environment."""
    from strongroom.errors import UsageError

    if file is not None:
        try:
            return file.read_bytes().split(b"\n", 1)[0]
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from None
    return str(typer.prompt("passphrase", hide_input=True, confirmation_prompt=confirm)).encode()


@app.command()
def create(
    private: Annotated[
        Path, typer.Argument(help="Where the encrypted private key goes: outside .strongroom, offline.")
    ],
    public: Annotated[
        Path | None, typer.Option(help="Where the public key goes; default: PRIVATE with .pub.pem.")
    ] = None,
    passphrase_file: Passphrase = None,
    json: Json = False,
) -> None:
    """Makes an RSA-4096 pair; the private half is encrypted PEM.

    Example: strongroom escrow create /media/usb/escrow.pem
    """
    from strongroom.errors import UsageError
    from strongroom.jobs.credentials import home
    from strongroom.keys import escrow

    if private.resolve().is_relative_to(home()):
        raise UsageError(f"{private} lies in {home().name}", hint="an escrow key must not lie beside what it opens")
    public = public or private.with_suffix(".pub.pem")
    made = escrow.create(private, public, read_passphrase(passphrase_file, confirm=True))
    if json:
        print_json({"private": str(private), "public": str(public), "key_ref": made.key_ref})
    else:
        typer.echo(f"{made.key_ref}\nprivate key: {private} (encrypted; take it offline)\npublic key:  {public}")


@app.command()
def test(
    private: Annotated[Path, typer.Argument(help="The encrypted private key.")],
    public: Annotated[Path | None, typer.Option(help="Compare with this deployed public key.")] = None,
    passphrase_file: Passphrase = None,
    json: Json = False,
) -> None:
    """Opens the key and a fresh wrapping with it; exit 5 when it does not open.

    Example: strongroom escrow test /media/usb/escrow.pem
    """
    import os

    from strongroom.errors import KeyFailure
    from strongroom.keys import escrow

    opened = escrow.load_private(private, read_passphrase(passphrase_file))
    deployed = escrow.load_public(public) if public else escrow.EscrowWrapper(opened.private.public_key())
    context, secret = {"purpose": "escrow-test"}, os.urandom(32)
    if opened.unwrap(deployed.wrap(secret, context), context) != secret:
        raise KeyFailure(f"{private} does not open what {deployed.key_ref} wrapped")
    if json:
        print_json({"key_ref": opened.key_ref, "opens": True})
    else:
        typer.echo(f"{opened.key_ref} opens")
