"""The whole URL map: machines first, since their addresses are fixed words; people last."""

from django.urls import include, path

from shub.operations.admin import site

# Clients read no page.
handler400 = "shub.api.errors.answer_bad_request"

urlpatterns = [
    path("", include("shub.api.library.urls")),
    path("", include("shub.api.hkp.urls")),
    path("", include("shub.api.shub.urls")),
    path("admin/", site.urls),
    path("", include("shub.web.urls")),
]
