"""`trivet keys`: print the keys of the processes, and re-encrypt data under the current secret."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from ops.errors import CommandFailed
from ops.identity.database import url
from ops.identity.sealing import SealingSettings, sealer
from ops.keys import keyring
from ops.keys import rotation as rotating
from ops.settings_reader import read_settings

app = typer.Typer(
    help="Print the keys of each process, replace the secret, or re-encrypt stored tokens.", rich_markup_mode=None
)


@app.callback(invoke_without_command=True)
def keys(
    context: typer.Context,
    process: Annotated[
        str | None, typer.Option("--for", metavar="PROCESS", help="Only the keys of this process or program.")
    ] = None,
) -> None:
    """Print the TRIVET_*_KEYS variables of each process, as lines for its environment."""
    if context.invoked_subcommand is None:
        keyring.keys(process)


@app.command()
def rotate() -> None:
    """Replace the secret: do the next step, or print what to set and restart. Run it until the rotation is over."""
    settings = read_settings(rotating.RotationSettings)
    rotation = rotating.begun(settings)
    step = rotating.next_step(settings, rotation, datetime.now(UTC))
    print(f"step {step.number} of {rotating.STEPS}: {step.title}")
    if step.reseals:
        reseal()
    if step.variables and rotating.is_kept(settings):
        rotating.apply(settings, step)
        print("done: restart `trivet run`, and run this again")
        return
    for name, value in step.variables.items():
        print(f"{name}={value}")
    if step.number == rotating.STEPS and not step.variables:
        rotating.end(settings)
    print(f"then: {step.then}" if step.variables else step.then)


@app.command()
def reseal() -> None:
    """Encrypt the providers' tokens under TRIVET_SECRET. Former secrets can then leave TRIVET_SECRETS_OLD."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity
    from services.identity.oauth.reseal import Resealed, reseal_all

    url()  # fails before a secret is created
    sealing = sealer(read_settings(SealingSettings))

    async def work(identity: IdentityAccess) -> Resealed:
        return await reseal_all(identity.database, sealing, identity.audit, actor=ACTOR)

    done = with_identity(work)
    print(f"{done.renewed} of {done.seen} accounts with tokens re-encrypted")
    if done.broken:
        raise CommandFailed(
            f"{done.broken} accounts hold tokens that no key decrypts: add the secret that encrypted them to"
            " TRIVET_SECRETS_OLD and run this again, or have their owners sign in again"
        )
