"""shub's own processes: the first run, the web server and the sweep."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from shub.quickstart.addresses import Address
from shub.quickstart.children import ChildSpec
from shub.quickstart.first_run import UPLOAD_USER
from shub.quickstart.probing import answers_200

WEB = "web"
SWEEP = "sweep"
DEMONSTRATION = "demo"
START_SECONDS = 120.0


class Application:
    """The processes of one registry, with the settings that `environment` holds."""

    def __init__(self, *, environment: Mapping[str, str], log_folder: Path, bind: Address) -> None:
        self._environment = environment
        self._logs = log_folder
        self._bind = bind

    def first_run(self, secrets: Path, *, own_store: bool) -> ChildSpec:
        """The passing process that prepares database and bucket and prints what to announce.

        In our own store it also makes the user who may only upload.
        """
        words = ("-m", "shub.quickstart.first_run", str(secrets))
        return self._spec(
            "first-run", (*words, UPLOAD_USER) if own_store else words, stop_seconds=10
        )

    def demonstration(self, secrets: Path) -> ChildSpec:
        """The passing process that fills the registry, and prints who can sign in."""
        words = ("-m", "shub.quickstart.demonstration", str(secrets))
        return self._spec(DEMONSTRATION, words, stop_seconds=2)

    def web(self) -> ChildSpec:
        """gunicorn, without an access log: addresses and queries are nobody's matter."""
        return self._spec(
            WEB,
            ("-m", "gunicorn", "--config", "python:shub.web_server", "--bind", str(self._bind)),
            stop_seconds=int(self._environment["WEB_STOP_SECONDS"]) + 4,
            orphan_signal=signal.SIGQUIT,  # its quick stop
        )

    def sweep(self) -> ChildSpec:
        """The jobs. Each can be cut short at any moment, so an orphaned one is killed."""
        return self._spec(
            SWEEP, ("manage.py", "sweep"), stop_seconds=12, orphan_signal=signal.SIGKILL
        )

    def answers(self) -> bool:
        """Whether the web server answers with the registry's version."""
        return answers_200(self._bind.from_here, "/version")

    def _spec(
        self,
        name: str,
        arguments: tuple[str, ...],
        *,
        stop_seconds: float,
        orphan_signal: signal.Signals = signal.SIGTERM,
    ) -> ChildSpec:
        return ChildSpec(
            name=name,
            command=(sys.executable, *arguments),
            environment=self._environment,
            folder=settings.BASE_DIR,
            log=self._logs / f"{name}.log",
            stop_seconds=stop_seconds,
            orphan_signal=orphan_signal,
        )
