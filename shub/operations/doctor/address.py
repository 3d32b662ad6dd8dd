"""The registry's own address, asked as clients ask it."""

import json
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from shub.operations.checks import is_loopback
from shub.operations.doctor.asking import Answer, NotReached, Stage, ask
from shub.operations.doctor.finding import Finding, fault, warning, well
from shub.operations.doctor.options import Options

DOCUMENT = "/assets/config/config.prod.json"
SERVICES = ("libraryAPI", "keystoreAPI", "tokenAPI")

NAME_UNKNOWN = warning(
    "address-name-unknown",
    _(
        "From where doctor runs, the registry's own name cannot be looked up; users may well "
        "know it. What users see was not tried."
    ),
    _(
        "Say where it is by --resolve HOST:ADDRESS. If users cannot look it up either, enter "
        "the name in the DNS, or correct PUBLIC_URL."
    ),
)
NOT_REACHED = fault(
    "address-not-reached",
    _("No client reaches the registry: every command ends with this error."),
    _(
        "Have nginx (or your proxy) listen at that address and port, let it through the "
        "firewall, or correct PUBLIC_URL. If only this machine cannot go there, say another "
        "address by --resolve HOST:ADDRESS."
    ),
)
NO_TLS = fault(
    "address-no-tls",
    _("Clients end with a TLS error before they have asked anything."),
    _(
        "See the findings of the check certificates. A proxy that speaks no TLS there: set "
        "PUBLIC_URL to http://, or give the proxy a certificate."
    ),
)
NO_ANSWER = fault(
    "address-no-answer",
    _("Clients wait, and end with a time-out or a closed connection."),
    _(
        "See the log of the web server and of the proxy: does the web server run, has it "
        "free threads, do its database and store answer?"
    ),
)
REDIRECTS = fault(
    "address-redirects",
    _(
        "Clients keep the address that they were given, and turn a redirected POST into an "
        "empty GET: pushes fail."
    ),
    _("Set PUBLIC_URL to the address at the end of the redirect, with its scheme and port."),
)
BAD_GATEWAY = fault(
    "address-bad-gateway",
    _("The proxy answers, and does not reach the web server behind it: clients print the status."),
    _(
        "Start the web server (its log says why it ended), and have the proxy pass on to the "
        "address that it listens on."
    ),
)
HOST_REFUSED = fault(
    "address-host-refused",
    _("The web server does not know the name that it is asked by, and refuses every request."),
    _(
        "Have the proxy pass on the Host that it got (proxy_set_header Host $http_host), or "
        "add the name to ALLOWED_HOSTS."
    ),
)
SOMETHING_ELSE = fault(
    "address-something-else",
    _(
        "Clients ask something that is no registry, and print a status or that they cannot "
        "read the answer."
    ),
    _("Have the proxy pass on everything below / to the web server, or correct PUBLIC_URL."),
)
OTHER_ADDRESS = fault(
    "address-other-address",
    _(
        "Clients are led to the address in the document, and keep it for up to 30 days: to "
        "another registry, or nowhere."
    ),
    _(
        "Start the web server with the same PUBLIC_URL as doctor; if this is another "
        "registry, correct PUBLIC_URL or the proxy."
    ),
)


def look(options: Options) -> list[Finding]:
    """Is the service document there, and does it name the address that it was asked at?"""
    try:
        answer = ask(options, "GET", settings.PUBLIC_URL + DOCUMENT)
    except NotReached as fault:
        return [unreached(fault)]
    return [_document(answer)]


def unreached(not_reached: NotReached) -> Finding:
    """What it means that the registry's address gives no answer."""
    found = {
        Stage.NAME: NAME_UNKNOWN,
        Stage.CONNECTION: NOT_REACHED,
        Stage.TLS: NO_TLS,
        Stage.ANSWER: NO_ANSWER,
    }
    return found[not_reached.stage].found(not_reached.words)


def refusal(answer: Answer) -> Finding | None:
    """What an answer means that is not the registry's; None for one that may be."""
    seen = f"{settings.PUBLIC_URL} answers {answer.status}"
    if 300 <= answer.status < 400:
        return REDIRECTS.found(f"{seen}, to {answer.headers.get('location', 'nowhere')}")
    if answer.status in {502, 503, 504}:
        return BAD_GATEWAY.found(f"{seen} ({answer.server or 'no name'})")
    if answer.status == 400:
        return HOST_REFUSED.found(f"{seen}: {answer.text}")
    if answer.status != 200:
        return SOMETHING_ELSE.found(f"{seen} ({answer.server or 'no name'}): {answer.text}")
    return None


def _document(answer: Answer) -> Finding:
    refused = refusal(answer)
    if refused is not None:
        return refused
    try:
        told = json.loads(answer.body)
        named = {told[each]["uri"] for each in SERVICES}
    except (ValueError, KeyError, TypeError):
        seen = f"{settings.PUBLIC_URL}{DOCUMENT} is no service document: {answer.text}"
        return SOMETHING_ELSE.found(seen)
    if named != {settings.PUBLIC_URL}:
        seen = f"asked at {settings.PUBLIC_URL}, the document names {', '.join(sorted(named))}"
        return OTHER_ADDRESS.found(seen)
    parts = urlsplit(settings.PUBLIC_URL)
    seen = f"The service document is at {settings.PUBLIC_URL}, and names it."
    if is_loopback(parts.hostname or ""):
        seen += " It is this machine's own: nobody else reaches it."
    elif parts.port:
        seen += " It has a port: clients need the registry's /remote.yaml, `remote add` takes none."
    return well(seen)
