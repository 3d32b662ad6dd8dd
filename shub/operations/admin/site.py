"""The admin's own site: its doors are our pages', its history is the audit trail."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from shub.accounts.administrators import sees_everything
from shub.web.site import caller


class Site(AdminSite):
    """For administrators; auditors see the same and change nothing. To others it is not there."""

    index_title = "Administration"
    index_template = "operations/admin_index.html"
    site_url = "/"
    empty_value_display = "–"

    @property
    def site_header(self) -> str:  # type: ignore[override]
        """The registry's name, as on the pages."""
        return str(settings.REGISTRY_NAME)

    @property
    def site_title(self) -> str:  # type: ignore[override]
        """The same, in the browser's title."""
        return str(settings.REGISTRY_NAME)

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the admin is there for this visitor."""
        return sees_everything(caller(request))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """The view behind a sign-in of our own; a page that is hidden looks like one that is not
        there."""
        guarded = super().admin_view(view, cacheable)

        def enter(request: HttpRequest, *args: Any, **options: Any) -> Any:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not self.has_permission(request):
                raise Http404("There is nothing at this address.")
            return guarded(request, *args, **options)

        return enter

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Signing in is done on our own page."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise Http404("There is nothing at this address.")
        return redirect_to_login(request.GET.get("next") or "/admin/")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """By POST, to the home page."""
        return LogoutView.as_view(next_page="home")(request)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """The page where everybody does it."""
        return redirect("change-password")


site = Site(name="admin")

# Each act is the domain's own, with one thing at a time to say no to.
site.disable_action("delete_selected")
