"""`manage.py setup`: `.env` and `secrets/` for a deployment by docker compose."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter

from shub.operations.setup import choices, signing_in, telling, words
from shub.operations.setup.asking import Asker, Nobody, Terminal
from shub.operations.setup.failures import Refused, Unanswered
from shub.operations.setup.planning import Planner
from shub.operations.setup.plans import Plan, Request
from shub.operations.setup.writing import Deployment

MISUSE = 2

EXAMPLES = """\
examples, all in the folder of docker-compose.yml:
  ./setup                                     asks for what it has to know
  ./setup --host registry.example.org --tls own \\
      --certificate fullchain.pem --key privkey.pem
  ./setup --host registry.lab --tls private-ca --administrator mara
  ./setup --renew tls                         a new certificate by the private authority
  ./setup --sign-in oidc --set OIDC_ISSUER=https://sso.example.org \\
      --set OIDC_CLIENT_ID=registry --secret OIDC_CLIENT_SECRET=client-secret.txt
Then: docker compose up -d --wait

What is there already stays: run it again as often as you like. A flag that differs from what is
there is asked about, or taken with --yes. Nothing is written before all is known, and all is
written or nothing, whenever it is interrupted.

exit status: 0 done, or nothing to do; 1 refused, nothing was written; 2 a flag is missing or wrong
"""


class Formatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the examples' lines."""


class Command(BaseCommand):
    help = (
        "Make .env and secrets/ for a deployment by docker compose. On a terminal it asks for "
        "what no flag says. It needs neither a database nor a store."
    )
    # There may be nothing yet that could be checked.
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=Formatter, epilog=EXAMPLES, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        where = parser.add_argument_group("where it is")
        where.add_argument("--host", help="the name that users know; no scheme, no port")
        where.add_argument("--port", help="another port than 443 (80 without TLS); see the warning")
        where.add_argument(
            "--http-port", help="the port that leads browsers to https; 80 unless said"
        )
        where.add_argument("--bind", help="the address that nginx listens at; 0.0.0.0 (all)")
        where.add_argument("--name", help="what the pages call the site; shub")

        tls = parser.add_argument_group("TLS (docs/how-to/tls.md)")
        tls.add_argument(
            "--tls",
            choices=choices.TLS,
            help="own: files by --certificate and --key; private-ca: an authority is made here, "
            "which users then trust; letsencrypt: by a companion container; proxy: a proxy of "
            "your own in front ends it; none: for a trial",
        )
        tls.add_argument(
            "--certificate", type=Path, metavar="FILE", help="PEM, the chain behind it"
        )
        tls.add_argument("--key", type=Path, metavar="FILE", help="PEM, without a password")
        tls.add_argument(
            "--ca", type=Path, metavar="FILE", help="the private authority that signed it"
        )

        people = parser.add_argument_group("people")
        people.add_argument("--administrator", metavar="NAME", help="the first one; admin")
        people.add_argument(
            "--email", metavar="ADDRESS", help="theirs; and Let's Encrypt's contact"
        )
        people.add_argument(
            "--show-password",
            action="store_true",
            help="print their first password at the end; it is in secrets/administrator_password",
        )
        people.add_argument(
            "--sign-in",
            metavar="WAYS",
            help=f"{signing_in.LOCAL} (a password here), {', '.join(signing_in.WAYS)}; "
            "several with commas between them",
        )

        store = parser.add_argument_group("the store")
        store.add_argument(
            "--layout",
            choices=choices.LAYOUTS,
            help="one-host: below the registry's own address; store-host: by a host of its own",
        )
        store.add_argument("--store", choices=choices.STORES, help="minio unless said")
        store.add_argument("--bucket", metavar="NAME", help="sregistry unless said")
        store.add_argument("--region", metavar="NAME", help="us-east-1 unless said")
        store.add_argument("--store-host", metavar="HOST", help="with --layout store-host")
        store.add_argument("--store-port", metavar="PORT", help="with it; 9000 unless said")
        store.add_argument(
            "--store-certificate", type=Path, metavar="FILE", help="with it and --tls own"
        )
        store.add_argument("--store-key", type=Path, metavar="FILE", help="with it and --tls own")
        store.add_argument(
            "--store-server", metavar="HOST:PORT", help="with --store external: where it is"
        )
        store.add_argument(
            "--store-external", metavar="HOST:PORT", help="where clients reach it, if elsewhere"
        )

        more = parser.add_argument_group("anything else")
        more.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a setting of docs/reference/settings.md, into .env",
        )
        more.add_argument(
            "--secret",
            action="append",
            default=[],
            metavar="NAME=FILE",
            help="a secret setting, or one of secrets/, from a file",
        )
        more.add_argument(
            "--renew",
            action="extend",
            nargs="+",
            default=[],
            metavar="NAME",
            help=f"make it anew: {', '.join(words.WORDS)}, tls, ca",
        )
        more.add_argument("--yes", action="store_true", help="change what flags say, unasked")
        more.add_argument(
            "--folder", type=Path, default=None, help="where docker-compose.yml is; this one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        deployment = Deployment((options["folder"] or Path(settings.BASE_DIR)).absolute())
        asker: Asker = Nobody()
        if sys.stdin.isatty() and sys.stdout.isatty():
            asker = Terminal(self.stdout.write)
        try:
            request = _request(options, deployment.folder)
            with deployment.held():
                plan = Planner(deployment, request, asker).plan()
                self._warn(plan)
                self._agree(plan, asker, yes=options["yes"])
                deployment.write(plan.files)
            for line in telling.told(plan, deployment):
                self.stdout.write(line)
            self._show_password(plan, deployment, asker, asked_for=options["show_password"])
        except Unanswered as unanswered:
            raise CommandError(
                f"Nobody is at a terminal to be asked: give {unanswered}.", returncode=MISUSE
            ) from None
        except Refused as refused:
            raise CommandError(str(refused)) from None
        except (EOFError, KeyboardInterrupt):
            raise CommandError("The questions were not answered: nothing was written.") from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from None

    def _warn(self, plan: Plan) -> None:
        for warning in plan.warnings:
            self.stderr.write(self.style.WARNING(f"Mind: {warning}"))

    def _agree(self, plan: Plan, asker: Asker, *, yes: bool) -> None:
        if not plan.changed or yes:
            return
        changes = "\n".join(f"  {change}" for change in plan.changed)
        self.stdout.write(f"This would change:\n{changes}")
        if not asker.agrees("Change it"):
            raise Refused("Nothing was written. With --yes it is changed unasked.")

    def _show_password(
        self, plan: Plan, deployment: Deployment, asker: Asker, *, asked_for: bool
    ) -> None:
        name = words.ADMINISTRATOR_PASSWORD
        fresh = name in plan.files
        if not asked_for and not (
            fresh and asker.agrees(f"Show the first password of {plan.choices.administrator} now")
        ):
            return
        self.stdout.write(
            f"First password of {plan.choices.administrator}: {deployment.read(name)}"
        )


def _request(options: dict[str, Any], folder: Path) -> Request:
    return Request(
        chosen={
            name: options[name]
            for name in (
                *("host", "port", "http_port", "bind", "name", "tls", "administrator", "email"),
                *("layout", "store", "bucket", "region", "store_host", "store_port"),
                *("store_server", "store_external"),
            )
        },
        sign_in=options["sign_in"],
        settings=_pairs(options["set"], "--set NAME=VALUE"),
        secret_files={
            name: folder / path
            for name, path in _pairs(options["secret"], "--secret NAME=FILE").items()
        },
        certificate=_in(folder, options["certificate"]),
        key=_in(folder, options["key"]),
        authority=_in(folder, options["ca"]),
        store_certificate=_in(folder, options["store_certificate"]),
        store_key=_in(folder, options["store_key"]),
        renew=options["renew"],
    )


def _in(folder: Path, path: Path | None) -> Path | None:
    return folder / path.expanduser() if path else None


def _pairs(written: list[str], flag: str) -> dict[str, str]:
    found = {}
    for pair in written:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise Refused(f"{flag}: {name!r} has no value.")
        found[name.strip()] = value.strip()
    return found
