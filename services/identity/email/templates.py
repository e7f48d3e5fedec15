"""Writes mails from templates, as text and HTML. Their links lead to the site's base URL only."""

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
# Letters, marks, and characters between names. A stranger can choose the name of the mail's recipient, so a name that
# could contain an address or a link is left out of the mail.
NAME = re.compile(r"[^\W\d_][\w '\u2019-]{0,63}")


class MailTemplate(Enum):
    """The mails: the name of the template, which is the topic too, the subject, and the label of the link."""

    VERIFY_EMAIL = ("verify-email", "Verify your email address", "Verify this address")
    RESET_PASSWORD = ("reset-password", "Reset your password", "Choose a new password")
    CONFIRM_EMAIL_CHANGE = ("confirm-email-change", "Confirm the change of your email address", "Confirm the change")
    VERIFY_EMAIL_CHANGE = ("verify-email-change", "Verify your new email address", "Verify this address")
    EMAIL_CHANGED = ("email-changed", "Your email address was changed", "")
    DELETE_ACCOUNT = ("delete-account", "Confirm the deletion of your account", "Delete my account")


class Mailer:
    """Writes mails and puts them into the outbox in the transaction of a change."""

    def __init__(self, outbox: MailOutbox, links: Links, base_url: str) -> None:
        self._outbox = outbox
        self._links = links
        self._site = urlsplit(base_url).hostname or base_url

    async def verify_email(self, transaction: Transaction, user: User, callback_url: str) -> None:
        """Mail a link that verifies the user's email."""
        link = self._links.verify_email(LinkClaims(user.email, user.id), callback_url)
        await self._put(transaction, user, MailTemplate.VERIFY_EMAIL, link)

    async def reset_password(self, transaction: Transaction, user: User, token: str, redirect_url: str) -> None:
        """Mail a link to reset the password."""
        await self._put(transaction, user, MailTemplate.RESET_PASSWORD, self._links.reset_password(token, redirect_url))

    async def confirm_change(self, transaction: Transaction, user: User, new_email: str, callback_url: str) -> None:
        """Mail the first link of an email change to the current address, to confirm the change."""
        claims = LinkClaims(user.email, user.id, LinkPurpose.CONFIRM_CHANGE, new_email)
        link = self._links.verify_email(claims, callback_url)
        await self._put(transaction, user, MailTemplate.CONFIRM_EMAIL_CHANGE, link, new_email=new_email)

    async def verify_change(self, transaction: Transaction, user: User, new_email: str, callback_url: str) -> None:
        """Mail the second link of an email change to the new address, to verify it."""
        link = self._links.verify_email(LinkClaims(user.email, user.id, LinkPurpose.CHANGE, new_email), callback_url)
        await self._put(transaction, user, MailTemplate.VERIFY_EMAIL_CHANGE, link, to=new_email)

    async def email_changed(self, transaction: Transaction, user: User, new_email: str) -> None:
        """Notify the previous address of `user` about the change."""
        await self._put(transaction, user, MailTemplate.EMAIL_CHANGED, "", new_email=new_email)

    async def delete_account(self, transaction: Transaction, user: User, token: str, callback_url: str) -> None:
        """Mail a link that deletes the user."""
        await self._put(transaction, user, MailTemplate.DELETE_ACCOUNT, self._links.delete_user(token, callback_url))

    async def decoy(self, transaction: Transaction, callback_url: str) -> None:
        """Do the work of a mail without sending one, so that the response time does not reveal whether one was sent."""
        link = self._links.verify_email(LinkClaims("nobody@example.com", new_id()), callback_url)
        mail = self._render(new_id(), "", MailTemplate.VERIFY_EMAIL, link, "", "")
        await self._outbox.put(transaction, mail)

    async def _put(
        self,
        transaction: Transaction,
        user: User,
        template: MailTemplate,
        link: str,
        *,
        to: str = "",
        new_email: str = "",
    ) -> None:
        mail = self._render(user.id, one_line(to or user.email), template, link, user.name, new_email)
        await self._outbox.put(transaction, mail)

    def _render(self, user_id: str, to: str, template: MailTemplate, link: str, name: str, new_email: str) -> Mail:
        name_of_template, subject, action = template.value
        values = {
            "subject": subject,
            "action": action,
            "link": link,
            "name": salutation(name),
            "new_email": one_line(new_email),
            "site": self._site,
        }
        text, html = (
            _environment().get_template(f"{name_of_template}.{form}").render(values) for form in ("txt", "html")
        )
        return Mail(user_id, to, f"account.{name_of_template}", subject, subject, text, html)


def salutation(name: str) -> str:
    """Return the text after "Hello": a space and the name, or nothing if the name is not safe to show."""
    return f" {name}" if NAME.fullmatch(name) else ""


def one_line(text: str) -> str:
    """Return a text without control characters and line breaks, which would end a mail header."""
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
