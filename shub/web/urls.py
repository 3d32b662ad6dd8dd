"""The pages' addresses. Our own words follow a `-`, which is no legal name."""

from django.urls import include, path, register_converter
from django.urls.converters import StringConverter

from shub.web import home, library, remote_file, tokens


class NameConverter(StringConverter):
    """A part of a reference. A NUL is in none, and Postgres would refuse to look for it."""

    regex = "[^/\0]+"


register_converter(NameConverter, "name")

urlpatterns = [
    path("", home.show, name="home"),
    path("account", include("shub.web.signin.urls")),
    path("remote.yaml", remote_file.remote_file, name="remote-file"),
    path("auth/tokens", tokens.list_tokens, name="tokens"),
    path("auth/tokens/<name:public_id>/revoke", tokens.revoke, name="revoke-token"),
    path("library/<name:entity>/<name:collection>", library.show_collection, name="collection"),
    path(
        "library/<name:entity>/<name:collection>/-/visibility",
        library.change_visibility,
        name="change-visibility",
    ),
    path(
        "library/<name:entity>/<name:collection>/<name:container>",
        library.show_container,
        name="container",
    ),
]
