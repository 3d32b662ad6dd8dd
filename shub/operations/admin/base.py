"""What all of the admin's lists have in common: nothing is written but by an act of the domain."""

from collections.abc import Callable, Iterable
from functools import cached_property, reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from shub.accounts.administrators import is_administrator, sees_everything
from shub.accounts.callers import Caller
from shub.errors import Refusal
from shub.web.site import caller

# A list counts its rows up to here: nobody turns more pages, and counting a million takes seconds.
MOST_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Pages of a list of any length; those behind MOST_COUNTED rows are found by search."""

    @cached_property
    def count(self) -> int:
        """The rows, up to the most that are counted."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by().values("pk")[:MOST_COUNTED].count()


class DomainAdmin(admin.ModelAdmin):
    """Rows to look at. Those who may change something override the one `may_*` and its act."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count all rows, once for each choice
    list_per_page = 50
    list_max_show_all = 50
    may_add = may_change = may_delete = False
    # Look-ups that an index answers, where there are too many rows for the admin's own search.
    looked_up: tuple[str, ...] = ()
    # What the lists of other things link here by.
    linked_by: tuple[str, ...] = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return sees_everything(caller(request))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return sees_everything(caller(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add and is_administrator(caller(request))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may_change and is_administrator(caller(request))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may_delete and is_administrator(caller(request))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Acts are for administrators: an auditor is not offered what would be refused."""
        return super().get_actions(request) if is_administrator(caller(request)) else {}

    def shown_but(self, *names: str) -> tuple[str, ...]:
        """The fields but these, which may be changed: for `get_readonly_fields`."""
        return tuple(str(name) for name in self.fields or () if name not in names)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what the page itself offers. The admin's own rule lets any column be asked for, and
        so the digest of a token be found out by its beginnings."""
        offered = {each[0] if isinstance(each, tuple) else each for each in self.list_filter or ()}
        return lookup in self.linked_by or lookup.partition("__")[0] in offered

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By `looked_up` where that is said."""
        term = search_term.strip()
        if not self.looked_up or not term:
            return super().get_search_results(request, queryset, search_term)
        where = (Q(**{lookup: term}) for lookup in self.looked_up)
        return queryset.filter(reduce(or_, where)), False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """No row is written here, unless a subclass says by which act."""
        raise NotImplementedError

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """No row is deleted here, unless a subclass says by which act."""
        raise NotImplementedError

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """The form; what the domain refuses is said above it, and nothing is changed."""
        try:
            return super().changeform_view(request, *args, **options)
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return redirect(request.get_full_path())

    def delete_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """The question; what the domain refuses is said, and nothing is deleted."""
        try:
            return super().delete_view(request, *args, **options)
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return redirect(request.get_full_path())

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """The trail of this thing, which no list of the admin's own could be."""
        found = self.get_object(request, object_id)
        public_id = getattr(found, "public_id", "")
        return redirect(
            reverse("admin:audit_event_changelist")
            + "?"
            + urlencode({"public_id": public_id} if public_id else {})
        )

    # The admin's own log would say less than the trail, and could be changed.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Not kept."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Not kept."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Not kept."""


def do_for_each(
    request: HttpRequest,
    rows: Iterable[Any],
    act: Callable[[Any, Caller], object],
    *,
    done: str,
) -> None:
    """Do the act for each chosen row, and say for how many, and what was refused."""
    count = 0
    for row in rows:
        try:
            act(row, caller(request))
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            count += 1
    if count:
        messages.success(request, f"{count} {done}.")


def link(thing: Model | None, text: str = "") -> SafeString | str:
    """A link to the thing's own page in the admin."""
    if thing is None:
        return "–"
    return format_html('<a href="{}">{}</a>', _address(thing, "change", thing.pk), text or thing)


def list_link(model: type[Model], text: str, **where: Any) -> SafeString:
    """A link to the list of another model, with a filter."""
    address = f"{_address(model, 'changelist')}?{urlencode(where)}"
    return format_html('<a href="{}">{}</a>', address, text)


def together(*links: SafeString | str) -> SafeString:
    """Links beside each other."""
    return format_html_join(" · ", "{}", ((each,) for each in links))


def _address(model: Model | type[Model], page: str, *args: Any) -> str:
    names = model._meta  # noqa: SLF001  Django's own documented name
    return reverse(f"admin:{names.app_label}_{names.model_name}_{page}", args=args)
