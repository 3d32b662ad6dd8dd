"""The audit trail, for those it concerns: of oneself, of an entity, and of the whole site."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from shub.accounts.administrators import sees_everything
from shub.audit import reading
from shub.containers.permissions import may_look_into
from shub.errors import Invalid
from shub.web import happenings, places
from shub.web.admin_area.frame import frame
from shub.web.refusals import page
from shub.web.site import caller, signed_in

# What a filter of the page is called, in the query string and in the question.
FILTERS = ("action", "actor", "since", "until")
MOST_LENGTH = 150


@login_required
@require_safe
def show_own(request: HttpRequest) -> HttpResponseBase:
    """`/account/audit`: what one did, and what was done to one's account and tokens."""
    user = signed_in(request)
    person = reading.Person(user.username, user.public_id, user.date_joined)
    return _show(
        request, reading.Question(person=person), _("What happened to your account"), {"own": True}
    )


@login_required
@require_safe
@page
def show_entity(request: HttpRequest, entity: str) -> HttpResponseBase:
    """`/library/ENTITY/-/audit`: for those who manage the entity, and who see everything."""
    found, by = places.find_entity(request, entity), caller(request)
    if not may_look_into(by, found):
        raise Http404("There is no such page, or you may not see it.")
    question = reading.Question(entity=found.public_id)
    title = _("What happened in %(place)s") % {"place": found.name}
    return _show(request, question, title, places.heading(found, by=by))


@login_required
@require_safe
def show_all(request: HttpRequest) -> HttpResponseBase:
    """`/admin-area/audit`: everything, for administrators and auditors."""
    if not sees_everything(caller(request)):
        raise Http404("There is no such page, or you may not see it.")
    title = _("What happened here")
    return _show(request, reading.Question(), title, frame(request, title))


def _show(
    request: HttpRequest, question: reading.Question, title: str, more: dict[str, Any]
) -> HttpResponseBase:
    asked = {name: request.GET.get(name, "").strip()[:MOST_LENGTH] for name in FILTERS}
    try:
        question = _narrowed(question, asked)
        if request.GET.get("format") == "jsonl":
            return _download(question)
        page = reading.page(question, before=request.GET.get("before", ""))
    except Invalid as refusal:
        messages.error(request, refusal.message)
        page = reading.Page([], "")
    filters = urlencode({name: text for name, text in asked.items() if text})
    context = {
        "title": title,
        "page": page,
        "rows": [(event, happenings.told(event)) for event in page.events],
        "asked": asked,
        "actions": happenings.every_action(),
        "filters": filters,
        "older": urlencode({**{k: v for k, v in asked.items() if v}, "before": page.older}),
        "keep_days": settings.AUDIT_KEEP_DAYS,
        "is_first": "before" not in request.GET,
    }
    return render(request, "web/audit.html", context | more)


def _narrowed(question: reading.Question, asked: dict[str, str]) -> reading.Question:
    if any("\0" in text for text in asked.values()):
        raise Invalid("A filter contains a NUL character: nothing is called so.")
    return replace(
        question,
        action=asked["action"],
        actor=asked["actor"],
        since=reading.moment(asked["since"]) if asked["since"] else None,
        until=reading.moment(asked["until"]) if asked["until"] else None,
    )


def _download(question: reading.Question) -> HttpResponseBase:
    def lines() -> Iterator[str]:
        for event in reading.every(question):
            yield reading.as_line(event)

    return StreamingHttpResponse(
        lines(),
        content_type="application/jsonl; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
    )
