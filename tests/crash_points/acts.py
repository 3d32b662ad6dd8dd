"""Acts: whatever changes rows or the store for good, counted; and a death before or after one.

Nothing in the product knows of this. A course watches its thread's way past the two doors by which
anything lasting is done: the database connection (each commit of a transaction that wrote, each
writing statement outside of one) and the object store (each verb that is not known to read only).
So an act that somebody adds tomorrow is found by itself.
"""

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from shub.storage import Listed, OpenParts

# What changes nothing in the store. Any other verb is an act, also one that is not there yet.
READING = frozenset(
    {
        *("promises", "part_address", "list_parts", "open_parts", "objects"),
        *("stat", "read", "open_range", "object_address", "inner_address", "answer"),
    }
)

WORDS = r'(INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|TRUNCATE)\s+"?(\w+)'
WRITING = re.compile(rf"\s*{WORDS}", re.IGNORECASE)
WRITING_INSIDE = re.compile(rf"\b{WORDS}", re.IGNORECASE)


class Killed(BaseException):
    """As by SIGKILL: nothing catches it, no transaction is committed any more, nothing is asked of
    the store any more, whatever is still written in an `except` or a `finally`."""


class Strayed(AssertionError):
    """The course was another one than in the clean run: the point means nothing."""


@dataclass(frozen=True)
class Act:
    """One lasting change."""

    number: int
    what: str
    """Such as `store.remove`, or `commit (INSERT containers_blob, UPDATE uploads_upload)`."""


# The number of an act of which only some words are known: the first of that kind is it.
ANY = -1

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Point:
    """Where somebody dies: `before` the act was done, or `after` it, before they learn of it."""

    act: Act
    side: str

    def is_at(self, number: int, what: str) -> bool:
        """Whether it is this act. Strayed where another has its number."""
        if self.act.number == ANY:
            return self.act.what in what
        if self.act.number == number and self.act.what != what:
            raise Strayed(f"{self}: here it is {what}.")
        return self.act.number == number

    def __str__(self) -> str:
        return f"killed {self.side} act {self.act.number}, {self.act.what}"


@dataclass
class Course:
    """The acts of one run, up to the point, if there is one."""

    point: Point | None = None
    die: Callable[[], None] | None = None
    """What a death is; without it, Killed."""
    is_dead: bool = False
    _seen: list[str] = field(default_factory=list)
    _changed: list[bool] = field(default_factory=list)
    _in_transaction: dict[int, list[str]] = field(default_factory=dict)

    @property
    def acts(self) -> list[Act]:
        """Those that have changed something: an UPDATE that met no row has not."""
        return [
            Act(number, what) for number, what in enumerate(self._seen) if self._changed[number]
        ]

    @contextmanager
    def watched(self) -> Iterator["Course"]:
        """Within the context, all that is done counts."""
        commit, rollback = BaseDatabaseWrapper._commit, BaseDatabaseWrapper._rollback

        def watch(sender: object, connection: BaseDatabaseWrapper, **_: object) -> None:
            if self._execute not in connection.execute_wrappers:
                connection.execute_wrappers.append(self._execute)

        def _commit(wrapper: BaseDatabaseWrapper) -> None:
            self._commit(wrapper, commit)

        def _rollback(wrapper: BaseDatabaseWrapper) -> None:
            self._in_transaction.pop(id(wrapper), None)
            rollback(wrapper)

        watch(None, connection)
        connection_created.connect(watch)
        BaseDatabaseWrapper._commit = _commit  # type: ignore[method-assign]
        BaseDatabaseWrapper._rollback = _rollback  # type: ignore[method-assign]
        try:
            yield self
        finally:
            BaseDatabaseWrapper._commit = commit  # type: ignore[method-assign]
            BaseDatabaseWrapper._rollback = rollback  # type: ignore[method-assign]
            connection_created.disconnect(watch)
            # Connections of other threads are closed by those, and never used again.
            if self._execute in connection.execute_wrappers:
                connection.execute_wrappers.remove(self._execute)

    def act(self, what: str, do: Callable[[], Any], has_changed: Callable[[Any], bool]) -> Any:
        """Do it, and die before or after where that is the point."""
        self.check_alive()
        number = len(self._seen)
        self._seen.append(what)
        self._changed.append(False)
        is_point = self.point is not None and self.point.is_at(number, what)
        if is_point and self.point is not None and self.point.side == BEFORE:
            self._die()
        try:
            answer = do()
            self._changed[number] = has_changed(answer)
        except Exception:
            # Refused: that it was asked for may have changed something all the same.
            self._changed[number] = True
            raise
        finally:
            if is_point and not self.is_dead:
                self._die()
        return answer

    def check_alive(self) -> None:
        """Killed where the process is dead: what stands in a `finally` is done by nobody."""
        if self.is_dead:
            raise Killed

    def _die(self) -> None:
        if self.die is not None:
            self.die()
        self.is_dead = True
        # The server notices that its client is gone, and rolls back.
        connection.close()
        raise Killed(str(self.point))

    # ── the database ──
    def _execute(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        self.check_alive()
        what = written(sql)
        if not what:
            return execute(sql, params, many, context)
        wrapper = context["connection"]

        def do() -> Any:
            return execute(sql, params, many, context)

        def has_changed(_: Any) -> bool:
            return bool(context["cursor"].rowcount)

        if wrapper.in_atomic_block or not wrapper.get_autocommit():
            answer = do()
            if has_changed(answer):
                self._in_transaction.setdefault(id(wrapper), []).append(what)
            return answer
        return self.act(what, do, has_changed)

    def _commit(self, wrapper: BaseDatabaseWrapper, commit: Callable[..., None]) -> None:
        self.check_alive()
        wrote = self._in_transaction.pop(id(wrapper), [])
        if not wrote:
            commit(wrapper)
            return
        what = ", ".join(dict.fromkeys(wrote))
        self.act(f"commit ({what})", lambda: commit(wrapper), lambda _: True)


def written(sql: str) -> str:
    """What a statement writes, such as `UPDATE uploads_upload`; empty where it only reads.

    >>> written('UPDATE "uploads_upload" SET state = %s'), written("SELECT 1")
    ('UPDATE uploads_upload', '')
    >>> written("WITH gone AS (DELETE FROM containers_blob RETURNING id) SELECT count(*) FROM gone")
    'DELETE containers_blob'
    """
    text = sql if isinstance(sql, str) else str(sql)
    is_with = text.lstrip()[:4].upper() == "WITH"
    found = WRITING_INSIDE.search(text) if is_with else WRITING.match(text)
    if not found:
        return ""
    return f"{found[1].split()[0].upper()} {found[2]}"


class WatchedStore:
    """A store all of whose lasting changes are acts of a course, while there is one.

    `age` is by how much what the store has is older than it says: a day later, without waiting.
    """

    def __init__(self, store: Any) -> None:
        self.real = store
        self.course: Course | None = None
        self.age = timedelta()

    def open_parts(self, begun_before: datetime) -> Iterator[OpenParts]:
        """As the store's own, so much later."""
        if self.course is not None:
            self.course.check_alive()
        yield from self.real.open_parts(begun_before + self.age)

    def objects(self, after: str = "") -> Iterator[Listed]:
        """The same of its objects."""
        if self.course is not None:
            self.course.check_alive()
        for listed in self.real.objects(after):
            yield replace(listed, modified_at=listed.modified_at - self.age)

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self.real, verb)
        if not callable(found):
            return found

        @functools.wraps(found)
        def asked(*args: Any, **kwargs: Any) -> Any:
            course = self.course
            if course is None:
                return found(*args, **kwargs)
            course.check_alive()
            if verb in READING:
                return found(*args, **kwargs)
            return course.act(f"store.{verb}", lambda: found(*args, **kwargs), lambda _: True)

        return asked
