"""The one settings module, in parts: `from shub.settings import MINIO_SERVER` works.

Every value can be set by an environment variable of the same name (secrets also as NAME_FILE);
docs/reference/settings.md lists them all.
"""

from shub.settings import env
from shub.settings.accounts import *  # noqa: F403  Django reads settings as names of one module
from shub.settings.api import *  # noqa: F403
from shub.settings.directory import *  # noqa: F403
from shub.settings.django import *  # noqa: F403
from shub.settings.hardening import *  # noqa: F403
from shub.settings.limits import *  # noqa: F403
from shub.settings.mail import *  # noqa: F403
from shub.settings.registry import *  # noqa: F403
from shub.settings.signin import *  # noqa: F403
from shub.settings.storage import *  # noqa: F403
from shub.settings.watching import *  # noqa: F403
from shub.settings.web_server import *  # noqa: F403

# What is not as it would be by itself, for the log: names and values, but of secrets only whether
# they are set (shub.configuration).
CONFIGURATION = dict(sorted(env.given.items()))
CONFIGURED_SECRETS = dict(sorted(env.secrets.items()))
