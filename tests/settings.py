"""The product's settings, with what a test run needs beside them."""

import os

# Providers and a directory are installed as they are set: each test says where its own is.
os.environ.update(
    OIDC_ISSUER="http://openid.test",
    OIDC_CLIENT_ID="shub",
    OIDC_CLIENT_SECRET="only-for-tests",
    OIDC_NAME="the University",
    GITLAB_CLIENT_ID="shub",
    GITLAB_CLIENT_SECRET="only-for-tests",
    SAML_IDP_ENTITY_ID="http://saml.test",
    SAML_IDP_SSO_URL="http://saml.test/sso",
    SAML_IDP_CERTIFICATE="each test has its own",
)

from shub.settings import *  # noqa: F403

SECRET_KEY = "only-for-tests"
PUBLIC_URL = "http://registry.test"
ALLOWED_HOSTS = ["*"]

# Where Postgres is becomes known when the session's own one has started (tests/conftest.py).
DATABASES["default"]["NAME"] = "shub"  # noqa: F405

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
VERIFY_WAIT_SECONDS = 5
# A busy machine is no frozen Postgres; tests of that have a patience of their own.
DATABASE_PATIENCE_SECONDS = 30
# Tests look at what else is logged; those of the line itself turn it on.
ACCESS_LOG = False
# Most tests say what is left at once; those of keeping have days of their own.
CONDEMNED_KEEP_DAYS = 0
