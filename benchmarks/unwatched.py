"""The product's settings without the middleware that counts requests and writes them down."""

from shub.settings import *  # noqa: F403

MIDDLEWARE = [
    each
    for each in MIDDLEWARE  # noqa: F405
    if each != "shub.operations.access.AccessMiddleware"
]
