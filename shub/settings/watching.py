"""What those who run the registry may see of it: its logs and its metrics."""

from shub.settings import env

#: Of what the processes write to standard error.
LOG_LEVEL = env.text("LOG_LEVEL", "INFO")

#: `json`: each line that the processes write is an object ([which](../how-to/monitoring.md)).
LOG_FORMAT = env.choice("LOG_FORMAT", ["line", "json"])

#: A line for each request: method, route, status, time and user; never an address. Quickstart
#: writes none.
ACCESS_LOG = env.boolean("ACCESS_LOG", True)

#: Who sends it as a bearer may read `/metrics`.
METRICS_TOKEN = env.secret("METRICS_TOKEN")

#: Addresses and networks whose hosts may read `/metrics`. Without either setting there is no such
#: address.
METRICS_ALLOWED_NETWORKS = env.networks("METRICS_ALLOWED_NETWORKS")

#: A folder in memory (tmpfs) in which the workers of a web server count together; each server makes
#: one of its own in there, and takes it away. By default the system's folder for what is temporary.
PROMETHEUS_MULTIPROC_DIR = env.text("PROMETHEUS_MULTIPROC_DIR")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s%(of_request)s: %(message)s"},
        "json": {"()": "shub.log_lines.JSONLines"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["of_request"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "filters": {
        "of_request": {"()": "shub.request_ids.InLogLines"},
        "faults_of_ours": {
            "()": "django.utils.log.CallbackFilter",
            # A 503 or a 507 is a refusal that was answered, no event for a log.
            "callback": lambda record: getattr(record, "status_code", 500) == 500,
        },
    },
    "loggers": {
        "django.request": {"level": "ERROR", "filters": ["faults_of_ours"]},
        # Strangers ask by any name, each with a stack trace; the answer says which name is right.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # At DEBUG these write addresses with their signatures, and what they sign.
        **{name: {"level": "INFO"} for name in ("botocore", "boto3", "s3transfer", "urllib3")},
        # At each HEAD it warns that the answer has a body, and drops that, as it should.
        "gunicorn.http.wsgi": {"level": "ERROR"},
    },
}
