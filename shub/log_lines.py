"""Log lines as JSON: one object a line, for what collects the logs of many machines."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

# What an access line says beyond its message (shub.operations.access).
FIELDS = ("method", "route", "status", "milliseconds", "user")

# Made once: dumps() would make one for each line.
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JSONLines(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`; `request` and `push` where it belongs to any.

    An access line has FIELDS besides; an error its traceback as `exception`.
    """

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        said = record.__dict__
        line |= {name: said[name] for name in ("request", "push") if said.get(name)}
        line |= {name: said[name] for name in FIELDS if name in said}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line)
