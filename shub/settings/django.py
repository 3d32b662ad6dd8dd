"""Django's own settings."""

from pathlib import Path
from urllib.parse import urlsplit

from shub.settings import env
from shub.settings.database import parse_database_url
from shub.settings.registry import PUBLIC_URL
from shub.settings.signin import SIGN_IN_APPS

BASE_DIR = Path(__file__).resolve().parent.parent.parent

DEBUG = env.boolean("DEBUG", False)

# No default: a known key would sign anybody's session. Django refuses to sign with an empty one.
SECRET_KEY = env.secret("SECRET_KEY")

ALLOWED_HOSTS = [
    urlsplit(PUBLIC_URL).hostname or "",
    "127.0.0.1",
    "localhost",
    "[::1]",
    *env.listing("ALLOWED_HOSTS"),
]

INSTALLED_APPS = [
    # Without the search for admin modules: ours are one package, on a site of our own.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "shub.cache",
    "shub.audit",
    "shub.accounts",
    "shub.containers",
    "shub.uploads",
    "shub.api",
    "shub.web",
    "shub.operations",
    "shub.quickstart",
    # Behind ours: our templates come before theirs of the same name.
    *SIGN_IN_APPS,
    "django.forms",
]

# Forms are drawn by templates that ours come before, too.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

MIDDLEWARE = [
    "shub.operations.health.ProbesMiddleware",
    "shub.request_ids.RequestIdMiddleware",
    "shub.operations.access.AccessMiddleware",
    "shub.api.slashes.CollapseSlashesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "shub.web.headers.PageHeadersMiddleware",
    "django.middleware.common.CommonMiddleware",
    "shub.failures.WordlessMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "shub.web.first_password.FirstPasswordMiddleware",
    "shub.web.signin.second_factor.SecondFactorMiddleware",
]

# No form of ours takes a file: what is sent as one is thrown away, not written into /tmp.
FILE_UPLOAD_HANDLERS: list[str] = []

# The clients do not follow a redirect of a POST (they turn it into an empty GET).
APPEND_SLASH = False

ROOT_URLCONF = "shub.urls"
WSGI_APPLICATION = "shub.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "shub.web.site.registry",
                "shub.web.signin.context.signing_in",
            ],
        },
    },
]

DATABASES = {
    "default": parse_database_url(
        env.secret("DATABASE_URL") or "postgresql://shub@127.0.0.1:5432/shub"
    )
}

# The hot queries are planned once for each connection. False behind a proxy that gives each
# transaction another connection (PgBouncer in its transaction mode).
DATABASE_PREPARE = env.boolean("DATABASE_PREPARE", True)

# How long the web server waits for a Postgres that says nothing before it answers 503.
DATABASE_PATIENCE_SECONDS = env.integer("DATABASE_PATIENCE_SECONDS", 5, minimum=1)

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = env.text("STATIC_ROOT") or None

# Without a folder, static files are served from where they lie in the tree: nothing has to be
# collected first. With one, `manage.py prepare` collects them there.
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "shub.web.assets.AssetStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
# Of what is collected, the umask says who may read it.
FILE_UPLOAD_PERMISSIONS = None
