"""What those who run the registry may see of it: its logs and its metrics."""

from shub.settings import env

# Of what the processes write to standard error.
LOG_LEVEL = env.text("LOG_LEVEL", "INFO")

# `json`: one object a line.
LOG_FORMAT = env.choice("LOG_FORMAT", ["line", "json"])

# A line for each request.
ACCESS_LOG = env.boolean("ACCESS_LOG", True)

# Who may read /metrics: who has this bearer, and who comes from there. Nobody by default.
METRICS_TOKEN = env.secret("METRICS_TOKEN")
METRICS_ALLOWED_NETWORKS = env.networks("METRICS_ALLOWED_NETWORKS")

# Where the workers of a web server count together: a folder in memory. Each server makes one of its
# own in there, and takes it away.
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
