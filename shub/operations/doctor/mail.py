"""The mail server: reached, and logged in to. Nothing is sent unless it is asked for."""

import smtplib
import socket
import ssl

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.finding import Finding, fault, skipped, warning, well
from shub.operations.doctor.options import Options

NOT_REACHED = fault(
    "mail-not-reached",
    _(
        "Forgotten passwords, invitations and confirmations of addresses are not sent; the "
        "page says that it failed, after some seconds."
    ),
    _("Correct EMAIL_HOST and EMAIL_PORT, and let this machine reach the mail server."),
)
NO_TLS = fault(
    "mail-no-tls",
    _("No mail is sent: the mail server and this one do not agree on TLS."),
    _(
        "Port 587 wants EMAIL_USE_TLS=true, port 465 EMAIL_USE_SSL=true, port 25 often "
        "neither; the certificate has to name EMAIL_HOST, by an authority that this machine "
        "trusts."
    ),
)
LOGIN = fault(
    "mail-login",
    _("No mail is sent: the mail server does not take the user and password."),
    _(
        "Correct EMAIL_HOST_USER and EMAIL_HOST_PASSWORD; many providers want a password "
        "made for the purpose."
    ),
)
REFUSED = fault(
    "mail-refused",
    _("No mail is sent: the mail server refuses it."),
    _("See its words; most often EMAIL_FROM is an address that it does not let this server use."),
)
NO_SENDER = warning(
    "mail-no-sender",
    _(
        "Mails come from an address that is nobody's: many servers refuse them, or take them "
        "for unwanted ones."
    ),
    _("Set EMAIL_FROM to an address of your own domain."),
)


def look(options: Options) -> list[Finding]:
    """Log in, and send one mail where an address for it is given."""
    if not settings.EMAIL_HOST:
        return [skipped("No mail is sent: EMAIL_HOST is not set.")]
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    found: list[Finding] = []
    if settings.DEFAULT_FROM_EMAIL.endswith("@localhost"):
        found.append(NO_SENDER.found(f"EMAIL_FROM is {settings.DEFAULT_FROM_EMAIL}"))
    connection = get_connection(
        "django.core.mail.backends.smtp.EmailBackend", timeout=options.answer_seconds
    )
    try:
        connection.open()
        if options.test_address:
            EmailMessage(
                f"{settings.EMAIL_SUBJECT_PREFIX}A test of the mail",
                f"The registry at {settings.PUBLIC_URL} can send mail.",
                to=[options.test_address],
                connection=connection,
            ).send()
    except (OSError, smtplib.SMTPException) as error:
        return [*found, _failed(error, where)]
    finally:
        connection.close()
    sent = f", and took a mail to {options.test_address}" if options.test_address else ""
    return found or [well(f"{where} lets this server in{sent}.")]


def _failed(error: Exception, where: str) -> Finding:
    words = f"{where}: {_said(error)}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return LOGIN.found(words)
    if isinstance(error, ssl.SSLError | smtplib.SMTPNotSupportedError):
        return (LOGIN if "AUTH" in str(error) else NO_TLS).found(words)
    if isinstance(error, smtplib.SMTPServerDisconnected | smtplib.SMTPConnectError):
        return NO_TLS.found(words)
    if isinstance(error, smtplib.SMTPException):
        return REFUSED.found(words)
    if isinstance(error, TimeoutError) and not isinstance(error, socket.gaierror):
        return NOT_REACHED.found(f"{where}: no answer in time")
    return NOT_REACHED.found(words)


def _said(error: Exception) -> str:
    told = getattr(error, "smtp_error", None)
    if isinstance(told, bytes):
        return f"{getattr(error, 'smtp_code', '')} {told.decode(errors='replace')}"
    return str(getattr(error, "strerror", None) or error)
