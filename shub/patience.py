"""Patience: how long the web server waits for a Postgres that does not answer.

libpq's own time-outs notice a connection that cannot be made and a network that is gone. A server
that stands still keeps both alive and says nothing: psycopg2 would wait for it for ever, and so
would each thread, until none is left.
"""

import select
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg2 import OperationalError
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, set_wait_callback

_WAITED_FOR = {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}


def wait_no_longer_than(seconds: int) -> None:
    """From now on, in this process, fail with OperationalError when Postgres is silent for so long.

    psycopg2 then closes the connection; the next request makes a new one. Not for migrations: a
    statement that works on a large table is silent too.

    Postgres is told as well: one that is alive ends the statement itself, whose session would else
    go on waiting for a lock after we have left. Before the first connection is made.
    """
    set_wait_callback(partial(_wait, seconds=seconds))
    if settings.DATABASE_PREPARE:  # a proxy that shares its connections takes no options
        options = connections.settings[DEFAULT_DB_ALIAS]["OPTIONS"]
        given = options.get("options", "")
        options["options"] = f"{given} -c statement_timeout={seconds * 1000}".strip()


def _wait(connection: Any, *, seconds: int) -> None:
    """Wait until the connection has what is asked for (a psycopg2 wait callback)."""
    while (state := connection.poll()) != POLL_OK:
        waiting = select.poll()
        waiting.register(connection.fileno(), _WAITED_FOR[state])
        if not waiting.poll(seconds * 1000):
            raise OperationalError(f"Postgres has said nothing for {seconds} seconds.")
