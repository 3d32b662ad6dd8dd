"""Whether the database's tables are those of this release."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.finding import Finding, fault, skipped, warning, well
from shub.operations.doctor.options import Options

MISSING = fault(
    "migrations-missing",
    _("Pages and commands fail with 500: the tables are those of an older release."),
    _("./manage.py prepare (or migrate), then restart the web server and the sweep."),
)
NEWER = warning(
    "migrations-newer",
    _(
        "The tables are those of a newer release: this one may work with them for an "
        "upgrade's time, and no longer."
    ),
    _("Finish the upgrade: have all processes run the newer release."),
)


def look(options: Options) -> list[Finding]:
    """What was not applied yet, and what this release does not know."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        applied = executor.loader.applied_migrations
    except DatabaseError:
        return [skipped("The database is not reached: see database.")]
    if plan:
        named = ", ".join(f"{each.app_label} {each.name}" for each, _ in plan[:3])
        more = f" and {len(plan) - 3} more" if len(plan) > 3 else ""
        return [MISSING.found(f"not applied: {named}{more}")]
    loader = executor.loader
    unknown = [
        f"{app} {name}"
        for app, name in applied
        if app in loader.migrated_apps
        and (app, name) not in loader.disk_migrations
        and (app, name) not in _replaced(loader)
    ]
    if unknown:
        return [NEWER.found(f"applied, and not known here: {', '.join(sorted(unknown)[:3])}")]
    return [well(f"All {len(applied)} migrations are applied.")]


def _replaced(loader: object) -> set[tuple[str, str]]:
    """Those that a squashed one stands for."""
    disk = loader.disk_migrations  # type: ignore[attr-defined]
    return {each for migration in disk.values() for each in migration.replaces}
