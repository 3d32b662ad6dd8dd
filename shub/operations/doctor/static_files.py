"""Styles and scripts of the pages, as browsers ask for them."""

from django.conf import settings
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.asking import NotReached, ask
from shub.operations.doctor.finding import Finding, fault, skipped, well
from shub.operations.doctor.options import Options

STYLES = "web/pages.css"

NOT_COLLECTED = fault(
    "static-files-not-collected",
    _("Pages fail with 500, or have no style."),
    _("./manage.py prepare collects them in STATIC_ROOT; then restart the web server."),
)
NOT_SERVED = fault(
    "static-files-not-served",
    _("Pages come without style and icons; forms that need a script do not work."),
    _(
        "Have the proxy pass on /static/ to the web server, or lead it to the folder of "
        "STATIC_ROOT."
    ),
)


def look(options: Options) -> list[Finding]:
    """The stylesheet of all pages, at the registry's address."""
    try:
        path = static(STYLES)
    except ValueError as error:
        return [NOT_COLLECTED.found(f"STATIC_ROOT {settings.STATIC_ROOT}: {error}")]
    try:
        answer = ask(options, "GET", settings.PUBLIC_URL + path)
    except NotReached as fault:
        return [skipped(f"The registry's address gives no answer ({fault.words}): see address.")]
    kind = answer.headers.get("content-type", "")
    if answer.status in {400, 502, 503, 504}:
        return [skipped(f"{path} is answered {answer.status}: see address.")]
    if answer.status != 200 or not kind.startswith("text/css"):
        return [NOT_SERVED.found(f"{path} is answered {answer.status}, {kind or 'of no type'}")]
    return [well(f"{path} is served.")]
