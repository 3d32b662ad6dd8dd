"""Statements: the few hot queries, built by the ORM once and planned by Postgres once.

Building such a query costs the ORM some 2 ms and planning it costs Postgres another 1, where its
execution takes 0.1 (docs/decisions/0006-ready-made-statements.md). A statement follows the models
and gives the same objects, and pays both once: the first time in the process, and the first time on
each connection. For the hot few only: everything else is an ordinary QuerySet.
"""

import hashlib
import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=Model)


class Statement(Generic[Row]):
    """A query with named text parameters, from a function that builds its QuerySet.

    The function must use each parameter for equality only, and nothing that differs from call to
    call beside them (the time is `Now()`, the database's own).
    """

    def __init__(self, build: Callable[..., QuerySet[Row]]) -> None:
        self.build = build

    def rows(self, **parameters: str) -> list[Row]:
        """The objects, with those that `select_related` names."""
        compiled = self._compiled
        values = [parameters[name] if name else value for name, value in compiled.parameters]
        with connection.cursor() as cursor:
            # Only now: asked for a cursor, Django replaces a connection that has died, and with it
            # go the statements that it knew.
            sql = compiled.sql
            if settings.DATABASE_PREPARE:
                with connection.wrap_database_errors:
                    sql = _prepare(connection.connection, compiled)
            cursor.execute(sql, values)
            return compiled.objects(cursor.fetchall())

    def row(self, **parameters: str) -> Row | None:
        """The one object, or None."""
        return next(iter(self.rows(**parameters)), None)

    @cached_property
    def _compiled(self) -> "_Compiled[Row]":
        return _Compiled(self.build)


# Which statements a connection knows; it forgets them all when it is closed.
_prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


def _prepare(raw: Any, compiled: "_Compiled[Any]") -> str:
    """The SQL that executes the statement on this connection, which learns it the first time."""
    known = _prepared.setdefault(raw, set())
    if compiled.name not in known:
        with raw.cursor() as cursor:
            cursor.execute(compiled.preparation)
        known.add(compiled.name)
    return compiled.execution


class _Compiled(Generic[Row]):
    """The SQL, its parameters in order, and how a row becomes an object and its parents."""

    def __init__(self, build: Callable[..., QuerySet[Row]]) -> None:
        markers = {f"<{name}>": name for name in inspect.signature(build).parameters}
        query = build(**{name: marker for marker, name in markers.items()}).query
        self.compiler: Any = query.get_compiler(DEFAULT_DB_ALIAS)
        self.sql, given = self.compiler.as_sql()
        self.parameters = [(markers.get(value, ""), value) for value in given]
        self.name = f"shub_{hashlib.sha256(self.sql.encode()).hexdigest()[:16]}"
        numbers = [f"${number}" for number in range(1, len(given) + 1)]
        self.preparation = f"PREPARE {self.name} AS {self.sql % tuple(numbers)}"
        self.execution = f"EXECUTE {self.name} ({', '.join(['%s'] * len(given))})"
        used = {name for name, _ in self.parameters}
        if not set(markers.values()) <= used:
            raise TypeError(f"The statement does not use {set(markers.values()) - used}.")
        klass_info = self.compiler.klass_info
        fields = klass_info["select_fields"]
        self.model: type[Row] = klass_info["model"]
        self.own = slice(fields[0], fields[-1] + 1)
        select = self.compiler.select
        self.names = [column[0].target.attname for column in select[self.own]]
        # The stubs are of a later Django, which takes one argument more.
        self.parents = get_related_populators(klass_info, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]
        self.converters = self.compiler.get_converters([column[0] for column in select])

    def objects(self, rows: list[tuple[Any, ...]]) -> list[Row]:
        """Model instances, as the ORM would have made them."""
        found = []
        converted: Any = (
            self.compiler.apply_converters(rows, self.converters) if self.converters else rows
        )
        for row in converted:
            made = self.model.from_db(DEFAULT_DB_ALIAS, self.names, row[self.own])
            for parent in self.parents:
                parent.populate(row, made)
            found.append(made)
        return found
