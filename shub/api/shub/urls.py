"""The old addresses, with and without `/api`: old clients drop that for a host in a reference."""

from django.urls import re_path

from shub.api.shub import views

OLD_REFERENCE = r"container/(?P<collection>[^/]+)/(?P<name>[^/]+)/?$"

urlpatterns = [
    re_path(rf"^api/{OLD_REFERENCE}", views.OldContainerView.as_view()),
    re_path(rf"^{OLD_REFERENCE}", views.OldContainerView.as_view()),
    re_path(r"^(?:api|container)/", views.NothingHereView.as_view()),
]
