"""The mail that the site sends. Without a server for it, none is sent, and the pages say so."""

from django.core.exceptions import ImproperlyConfigured

from shub.settings import env
from shub.settings.registry import REGISTRY_NAME

#: The mail server; without one no mail is sent, and the pages say so.
EMAIL_HOST = env.text("EMAIL_HOST")
#: Its port.
EMAIL_PORT = env.integer("EMAIL_PORT", 25, minimum=1, maximum=65535)
#: Where the server wants them.
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.secret("EMAIL_HOST_PASSWORD")
#: Begin in the clear and go on by TLS (port 587).
EMAIL_USE_TLS = env.boolean("EMAIL_USE_TLS", False)
#: TLS from the beginning (port 465).
EMAIL_USE_SSL = env.boolean("EMAIL_USE_SSL", False)

# A page waits for the mail server; it must not wait for long.
EMAIL_TIMEOUT = 10

#: Whom the mails are from.
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("EMAIL_FROM", "registry@localhost")
EMAIL_SUBJECT_PREFIX = ACCOUNT_EMAIL_SUBJECT_PREFIX = f"[{REGISTRY_NAME}] "

EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.dummy.EmailBackend"
)

if EMAIL_USE_TLS and EMAIL_USE_SSL:
    raise ImproperlyConfigured("EMAIL_USE_TLS and EMAIL_USE_SSL exclude each other: set one.")
