"""How many files and connections the web server may have open at once."""

from django.utils.translation import gettext_lazy as _

from shub.operations.doctor import proxy
from shub.operations.doctor.asking import NotReached
from shub.operations.doctor.finding import Finding, skipped, warning, well
from shub.operations.doctor.options import Options

# A worker holds up to a thousand clients' connections (gunicorn's own bound), and each thread some
# to the database and the store.
ENOUGH = 1024

FEW = warning(
    "open-files-few",
    _(
        "When many clients are connected, further ones are not answered: “too many open "
        "files” in the log."
    ),
    _(
        "Raise the limit: LimitNOFILE=65536 in systemd, ulimits: nofile: 65536 in compose, "
        "ulimit -n 65536 in a shell; then restart the web server."
    ),
)


def look(options: Options) -> list[Finding]:
    """The limit of the web server that answers, asked by the probe."""
    try:
        seen = proxy.probed(options)
    except NotReached as fault:
        return [skipped(f"The web server could not be asked: {fault.words}.")]
    if isinstance(seen, Finding):
        return [skipped(f"The web server could not be asked: {seen.seen}.")]
    limit = seen.told["open_files"]
    if 0 <= limit < ENOUGH:
        return [FEW.found(f"the web server may have {limit} files open, {ENOUGH} is enough")]
    return [well(f"The web server may have {limit} files open.")]
