"""The product's settings, with what a test run needs beside them."""

from shub.settings import *  # noqa: F403

SECRET_KEY = "only-for-tests"
PUBLIC_URL = "http://registry.test"
ALLOWED_HOSTS = ["*"]

# Where Postgres is becomes known when the session's own one has started (tests/conftest.py).
DATABASES["default"]["NAME"] = "shub"  # noqa: F405

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
VERIFY_WAIT_SECONDS = 5
