"""The Library API's addresses, each with and without a slash at its end: clients follow no redirect
of a POST."""

from collections.abc import Callable

from django.http import HttpResponseBase
from django.urls import URLPattern, re_path

from shub.api.library import imagefile, images, namespaces, search, site, uploads

NAME = r"[^/]+"


def at(pattern: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
    """The view at this address."""
    return re_path(rf"^{pattern}/?$", view)


urlpatterns = [
    at(r"assets/config/config\.prod\.json", site.ServicesView.as_view()),
    at(r"version", site.VersionView.as_view()),
    at(r"v1/token-status", site.TokenStatusView.as_view()),
    at(r"v1/rbac/users/current", site.CurrentUserView.as_view()),
    at(r"v1/oci-redirect", site.OCIRedirectView.as_view()),
    at(r"v1/entities", namespaces.EntitiesView.as_view()),
    at(rf"v1/entities/(?P<entity>{NAME})", namespaces.EntityView.as_view()),
    at(r"v1/collections", namespaces.CollectionsView.as_view()),
    at(
        rf"v1/collections/(?P<entity>{NAME})/(?P<collection>{NAME})",
        namespaces.CollectionView.as_view(),
    ),
    at(r"v1/containers", namespaces.ContainersView.as_view()),
    at(
        rf"v1/containers/(?P<entity>{NAME})/(?P<collection>{NAME})/(?P<container>{NAME})",
        namespaces.ContainerView.as_view(),
    ),
    at(r"v1/images", images.ImagesView.as_view()),
    at(r"v1/images/(?P<ref>.+?)", images.ImageView.as_view()),
    at(r"v1/imagefile/(?P<ref>.+?)", imagefile.ImageFileView.as_view()),
    at(r"v1/search", search.SearchView.as_view()),
    at(rf"v1/tags/(?P<container_id>{NAME})", images.TagsView.as_view()),
    at(rf"v2/tags/(?P<container_id>{NAME})", images.ArchTagsView.as_view()),
    at(rf"v2/imagefile/(?P<image_id>{NAME})", uploads.SingleView.as_view()),
    at(rf"v2/imagefile/(?P<image_id>{NAME})/_complete", uploads.SingleCompletionView.as_view()),
    at(rf"v2/imagefile/(?P<image_id>{NAME})/_multipart", uploads.MultipartView.as_view()),
    at(
        rf"v2/imagefile/(?P<image_id>{NAME})/_multipart_complete",
        uploads.MultipartCompletionView.as_view(),
    ),
    at(
        rf"v2/imagefile/(?P<image_id>{NAME})/_multipart_abort",
        uploads.MultipartAbortionView.as_view(),
    ),
    re_path(r"^v[12](?:/|$)", site.NothingHereView.as_view()),
]
