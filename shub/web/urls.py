"""The pages' addresses. Our own words follow a `-`, which is no legal name."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from shub.web import accounts, home, library, remote_file, tokens


class NameConverter(StringConverter):
    """A part of a reference. A NUL is in none, and Postgres would refuse to look for it."""

    regex = "[^/\0]+"


register_converter(NameConverter, "name")

urlpatterns = [
    path("", home.show, name="home"),
    path("account/sign-in", accounts.SignInView.as_view(), name="sign-in"),
    path("account/sign-out", accounts.SignOutView.as_view(), name="sign-out"),
    path("account/password", accounts.ChangePasswordView.as_view(), name="change-password"),
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
