"""`trivet users`: what an operator does to accounts from outside."""

import asyncio
from typing import Annotated

import typer

from ops.database import url
from ops.errors import Refused
from runtime.errors import ServiceError

app = typer.Typer(help="Look after users.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def users() -> None:
    """Keep `promote` a subcommand while it is the only one."""


@app.command()
def promote(email: Annotated[str, typer.Argument(help="The address the user signed up with.")]) -> None:
    """Make a user an administrator; they may have to sign in again."""
    from services.identity.admin import promote

    address = url()
    try:
        user = asyncio.run(promote(address, email))
    except ServiceError as error:
        raise Refused(error.message) from None
    if user is None:
        raise Refused(f"nobody has signed up as {email}: sign up first, then promote")
    print(f"{email} is an administrator")
