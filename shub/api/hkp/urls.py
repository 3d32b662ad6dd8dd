"""The keystore's addresses: at the host's root, since clients drop any path before them."""

from django.urls import re_path

from shub.api.hkp import views

urlpatterns = [
    re_path(r"^pks/lookup/?$", views.LookupView.as_view()),
    re_path(r"^pks/add/?$", views.AddView.as_view()),
]
