"""Django's admin at `/admin/`: all rows to be looked at, and changed by the domain's acts only."""

from shub.operations.admin import accounts, audit, containers, uploads
from shub.operations.admin.site import site

__all__ = ["accounts", "audit", "containers", "site", "uploads"]
