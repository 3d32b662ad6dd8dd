"""Health: whether this process answers, and whether it should be sent requests.

For load balancers, container engines and kubelets, which ask often, by whatever address they have,
and in plain HTTP.
"""

import logging
from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe

from shub import stopping
from shub.operations import scraping

log = logging.getLogger(__name__)

# Shorter than what asks waits for an answer, most often five seconds.
PATIENCE_SECONDS = 2.0

# Strangers can ask too: however often they do, the database is asked once in so long by a process.
KNOWN_SECONDS = 1.0

WELL = "ok"
NEVER = {"Cache-Control": "no-store"}


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Always 200: this process has a thread left to say so. Touches nothing."""
    return HttpResponse("ok\n", content_type="text/plain", headers=NEVER)


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 where requests can be answered here; 503 where not, with what is in the way."""
    parts = {"process": "is stopping" if stopping.is_told() else WELL, **_database.parts()}
    ready = all(said == WELL for said in parts.values())
    return JsonResponse(
        {"ready": ready, "parts": parts}, status=200 if ready else 503, headers=NEVER
    )


PROBES: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": scraping.metrics,
}


class ProbesMiddleware:
    """Answers probes, and those who collect metrics, before anything else looks at them.

    They name an address of this very process, which is in nobody's ALLOWED_HOSTS, and have not come
    by TLS. No answer holds an address, so a wrong host name can do nothing with it; and metrics are
    for those who may read them. None of it is counted or written into the log.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        probe = PROBES.get(request.path_info)
        if probe is None or (probe is scraping.metrics and not scraping.may_read(request)):
            return self.get_response(request)
        return probe(request)


class Database:
    """What is known of the database, looked at by a thread of its own, one at a time.

    Nobody waits longer than PATIENCE_SECONDS, even where Postgres stands still and says nothing.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._looking: Thread | None = None
        self._found: dict[str, str] = {}
        self._found_at = -KNOWN_SECONDS
        self._is_migrated = False

    def parts(self) -> dict[str, str]:
        """`database` and `migrations`, each `ok` or what is wrong."""
        with self._lock:
            if monotonic() - self._found_at < KNOWN_SECONDS:
                return self._found
            if self._looking is None or not self._looking.is_alive():
                self._looking = Thread(target=self._look, name="readiness", daemon=True)
                self._looking.start()
            looking = self._looking
        looking.join(PATIENCE_SECONDS)
        if looking.is_alive():
            return {"database": f"has not answered within {PATIENCE_SECONDS:g} seconds"}
        return self._found

    def _look(self) -> None:
        try:
            found = {"database": WELL, "migrations": self._migrations()}
        except (DatabaseError, InterfaceError) as error:
            # In words of ours: the driver's name hosts and users.
            log.warning("Not ready: the database is away (%s).", type(error).__name__)
            found = {"database": "is away"}
        finally:
            # A connection of this thread alone; and a new one shows that there is one to be had.
            connection.close()
        self._found, self._found_at = found, monotonic()

    def _migrations(self) -> str:
        """Once applied, they stay: it is then enough that Postgres answers."""
        if self._is_migrated:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            return WELL
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        self._is_migrated = not missing
        return f"{len(missing)} are not applied" if missing else WELL


_database = Database()
