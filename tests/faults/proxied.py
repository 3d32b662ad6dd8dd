"""The product's settings, but for the way to the database and to the store: by a wire of the test.

For the quickstart, which starts both itself: FAULTS_DATABASE and FAULTS_STORE say where the wires
are, and the file FAULTS_SOCKET gets to know where the database's own socket is.
"""

import os
from pathlib import Path

from shub.settings import *  # noqa: F403

_database = DATABASES["default"]  # noqa: F405

# The supervisor itself, which has no database, reads these settings too.
if str(_database["HOST"]).startswith("/"):
    Path(os.environ["FAULTS_SOCKET"]).write_text(f"{_database['HOST']}/.s.PGSQL.5432")
    _database["HOST"], _, _database["PORT"] = os.environ["FAULTS_DATABASE"].rpartition(":")

MINIO_SERVER = os.environ["FAULTS_STORE"]
