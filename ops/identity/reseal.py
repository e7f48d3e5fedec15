"""`trivet keys`: printing them, and sealing anew what an old one has sealed."""

from typing import Annotated

import typer

from ops.errors import CommandFailed
from ops.identity.database import url
from ops.identity.sealing import SealingSettings, sealer
from ops.keys import keyring
from ops.settings_reader import read_settings

app = typer.Typer(help="Print the keys of each process, or seal anew.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def keys(
    context: typer.Context,
    process: Annotated[str | None, typer.Option("--for", metavar="PROCESS", help="A process or a program.")] = None,
) -> None:
    """Print the TRIVET_*_KEYS of each process, as lines for its environment."""
    if context.invoked_subcommand is None:
        keyring.keys(process)


@app.command()
def reseal() -> None:
    """Seal providers' tokens anew under the secret in use; TRIVET_SECRETS_OLD may then forget the others."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity
    from services.identity.oauth.reseal import Resealed, reseal_all

    url()  # before the secret, which is made where there is none
    sealing = sealer(read_settings(SealingSettings))

    async def work(identity: IdentityAccess) -> Resealed:
        return await reseal_all(identity.database, sealing, identity.audit, actor=ACTOR)

    done = with_identity(work)
    print(f"{done.renewed} of {done.seen} accounts with tokens sealed anew")
    if done.broken:
        raise CommandFailed(
            f"{done.broken} accounts hold tokens that no key opens: put the secret that sealed them into"
            " TRIVET_SECRETS_OLD and run this again, or let their owners sign in again"
        )
