"""The whole URL map: machines first, since their addresses are fixed words; people last."""

from django.urls import include, path

from shub.operations import health, scraping
from shub.operations.admin import site
from shub.operations.doctor import page as doctor
from shub.operations.doctor import probe

# What no view answers.
handler400 = "shub.failures.unreadable"
handler403 = "shub.failures.forbidden"
handler404 = "shub.failures.missing"
handler500 = "shub.failures.failed"

urlpatterns = [
    path("", include("shub.api.library.urls")),
    path("", include("shub.api.hkp.urls")),
    path("", include("shub.api.shub.urls")),
    path("admin/", site.urls),
    path("admin-area/doctor", doctor.show, name="admin-doctor"),
    path("-/doctor", probe.show, name="doctor-probe"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", scraping.metrics, name="metrics"),
    path("", include("shub.web.urls")),
]
