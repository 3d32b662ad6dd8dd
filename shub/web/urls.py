"""The pages' addresses. Our own words follow a `-`, which is no legal name."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from shub.web import account, accounts, audit, home, library, remote_file, renaming, tokens


class NameConverter(StringConverter):
    """A part of a reference. A NUL is in none, and Postgres would refuse to look for it."""

    regex = "[^/\0]+"


register_converter(NameConverter, "name")

urlpatterns = [
    path("", home.show, name="home"),
    path("account/sign-in", accounts.SignInView.as_view(), name="sign-in"),
    path("account/sign-out", accounts.SignOutView.as_view(), name="sign-out"),
    path("account/password", accounts.ChangePasswordView.as_view(), name="change-password"),
    path("account/delete", account.delete, name="delete-account"),
    path("account/export", account.export, name="export-account"),
    path("account/audit", audit.show_own, name="own-audit"),
    path("admin-area/audit", audit.show_all, name="audit"),
    path("remote.yaml", remote_file.remote_file, name="remote-file"),
    path("auth/tokens", tokens.list_tokens, name="tokens"),
    path("auth/tokens/<name:public_id>/revoke", tokens.revoke, name="revoke-token"),
    path("library/<name:entity>/-/audit", audit.show_entity, name="entity-audit"),
    path("library/<name:entity>/-/rename", renaming.rename, name="rename-entity"),
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
