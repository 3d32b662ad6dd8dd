"""The whole URL map: machines first, since their addresses are fixed words; people last."""

from django.urls import include, path

urlpatterns = [
    path("", include("shub.api.library.urls")),
    path("", include("shub.api.hkp.urls")),
    path("", include("shub.web.urls")),
]
