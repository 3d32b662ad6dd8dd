"""The pages' addresses. Our own words follow a `-`, which is no legal name."""

from django.urls import path

from shub.web import accounts, home, library, tokens

urlpatterns = [
    path("", home.show, name="home"),
    path("account/sign-in", accounts.SignInView.as_view(), name="sign-in"),
    path("account/sign-out", accounts.SignOutView.as_view(), name="sign-out"),
    path("account/password", accounts.ChangePasswordView.as_view(), name="change-password"),
    path("auth/tokens", tokens.list_tokens, name="tokens"),
    path("auth/tokens/<str:public_id>/revoke", tokens.revoke, name="revoke-token"),
    path("library/<str:entity>/<str:collection>", library.show_collection, name="collection"),
    path(
        "library/<str:entity>/<str:collection>/-/visibility",
        library.change_visibility,
        name="change-visibility",
    ),
    path(
        "library/<str:entity>/<str:collection>/<str:container>",
        library.show_container,
        name="container",
    ),
]
