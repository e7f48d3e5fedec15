"""The mails that identity writes: each a template in two forms, with links that lead to our own address alone."""

import re
from enum import Enum
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from runtime.ids import new_id
from services.identity.email.links import LinkClaims, LinkPurpose, Links
from services.identity.outbox.mail import Mail, MailOutbox
from services.identity.store.database import Transaction
from services.identity.users.users import User

TEMPLATES = Path(__file__).with_name("mail_templates")
LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Letters, marks and what stands between names. Who writes the name may not be who reads the mail: a name that has room
# for an address, or that mail programs would make a link of, greets nobody.
NAME = re.compile(r"[^\W\d_][\w '\u2019-]{0,63}")


class MailTemplate(Enum):
    """What a mail is about: the name of its template and its topic, its subject, and what its link does."""

    VERIFY_EMAIL = ("verify-email", "Verify your email address", "Verify this address")
    RESET_PASSWORD = ("reset-password", "Reset your password", "Choose a new password")
    CONFIRM_EMAIL_CHANGE = ("confirm-email-change", "Confirm the change of your email address", "Confirm the change")
    VERIFY_EMAIL_CHANGE = ("verify-email-change", "Verify your new email address", "Verify this address")
    EMAIL_CHANGED = ("email-changed", "Your email address was changed", "")
    DELETE_ACCOUNT = ("delete-account", "Confirm that your account is to be deleted", "Delete my account")


class Mailer:
    """Writes mails and posts them with the change that they belong to."""

    def __init__(self, post: MailOutbox, links: Links, base_url: str) -> None:
        self._post = post
        self._links = links
        self._site = urlsplit(base_url).hostname or base_url

    async def verify_email(self, transaction: Transaction, user: User, callback_url: str) -> None:
        """Mail a link that proves the user's address."""
        link = self._links.verify_email(LinkClaims(user.email, user.id), callback_url)
        await self._put(transaction, user, MailTemplate.VERIFY_EMAIL, link)

    async def reset_password(self, transaction: Transaction, user: User, token: str, redirect_url: str) -> None:
        """Mail a link that lets choose a new password."""
        await self._put(transaction, user, MailTemplate.RESET_PASSWORD, self._links.reset_password(token, redirect_url))

    async def confirm_change(self, transaction: Transaction, user: User, new_email: str, callback_url: str) -> None:
        """Mail to the user's address what the change to another takes first."""
        proof = LinkClaims(user.email, user.id, LinkPurpose.CONFIRM_CHANGE, new_email)
        link = self._links.verify_email(proof, callback_url)
        await self._put(transaction, user, MailTemplate.CONFIRM_EMAIL_CHANGE, link, new_email=new_email)

    async def verify_change(self, transaction: Transaction, user: User, new_email: str, callback_url: str) -> None:
        """Mail to the new address the link that puts it in the place of the user's."""
        link = self._links.verify_email(LinkClaims(user.email, user.id, LinkPurpose.CHANGE, new_email), callback_url)
        await self._put(transaction, user, MailTemplate.VERIFY_EMAIL_CHANGE, link, to=new_email)

    async def email_changed(self, transaction: Transaction, user: User, new_email: str) -> None:
        """Tell the address that `user` had until now."""
        await self._put(transaction, user, MailTemplate.EMAIL_CHANGED, "", new_email=new_email)

    async def delete_account(self, transaction: Transaction, user: User, token: str, callback_url: str) -> None:
        """Mail a link that deletes the user."""
        await self._put(transaction, user, MailTemplate.DELETE_ACCOUNT, self._links.delete_user(token, callback_url))

    async def decoy(self, transaction: Transaction, callback_url: str) -> None:
        """Do the work of a mail that is not sent, so that no answer's time tells whether one was."""
        link = self._links.verify_email(LinkClaims("nobody@example.com", new_id()), callback_url)
        letter = self._written(new_id(), "", MailTemplate.VERIFY_EMAIL, link, "", "")
        await self._post.put(transaction, letter)

    async def _put(
        self,
        transaction: Transaction,
        user: User,
        letter: MailTemplate,
        link: str,
        *,
        to: str = "",
        new_email: str = "",
    ) -> None:
        mail = self._written(user.id, one_line(to or user.email), letter, link, user.name, new_email)
        await self._post.put(transaction, mail)

    def _written(self, user_id: str, to: str, letter: MailTemplate, link: str, name: str, new_email: str) -> Mail:
        template, subject, action = letter.value
        values = {
            "subject": subject,
            "action": action,
            "link": link,
            "name": salutation(name),
            "new_email": one_line(new_email),
            "site": self._site,
        }
        text, html = (_environment().get_template(f"{template}.{form}").render(values) for form in ("txt", "html"))
        return Mail(user_id, to, f"account.{template}", subject, subject, text, html)


def salutation(name: str) -> str:
    """Return what follows "Hello": a space and the name if it is one, else nothing."""
    return f" {name}" if NAME.fullmatch(name) else ""


def one_line(text: str) -> str:
    """Return a text without what would end a line of a mail's header (CR, LF and their kin)."""
    return LINE_BREAKS.sub("", text)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
