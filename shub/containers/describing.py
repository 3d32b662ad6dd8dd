"""Describing: what an entity, a collection or a container is for, in short and at length."""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.containers import recording
from shub.containers.admission import check_may_manage
from shub.containers.models import Readme
from shub.containers.permissions import Place
from shub.containers.recording import kind_of
from shub.errors import Invalid
from shub.rows import first

LONGEST = 4000
LONGEST_README = 100_000


def describe(place: Place, *, text: str, by: Caller) -> None:
    """Say what the place is for, instead of what was said before; an empty text says nothing."""
    check_may_manage(by, place)
    text = text.replace("\r\n", "\n").strip()
    if len(text) > LONGEST:
        raise Invalid(f"A description has {LONGEST:,} characters at most.")
    with transaction.atomic():
        locked = type(place).objects.select_for_update(no_key=True).get(pk=place.pk)
        place.description = text
        if locked.description == text:
            return
        place.save(update_fields=["description"])
        _record("described", place, by=by)


def readme_of(place: Place) -> str:
    """What its README says, in Markdown; empty where it has none. Of a place that one may see."""
    found = first(Readme.objects.filter(_of(place)))
    return found.text if found else ""


def write_readme(place: Place, *, text: str, by: Caller) -> None:
    """Have the place say this of itself, in Markdown, instead of what it said before; an empty text
    removes the README. Invalid for one that is too long, or has characters that no text has."""
    check_may_manage(by, place)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text if text.strip() else ""
    if "\0" in text:
        raise Invalid("A README has no NUL characters: this is no text.")
    if len(text) > LONGEST_README:
        raise Invalid(f"A README has {LONGEST_README:,} characters at most.")
    with transaction.atomic():
        # Whoever writes it at this moment too holds the same lock, where there is no README yet.
        type(place).objects.select_for_update(no_key=True).get(pk=place.pk)
        if readme_of(place) == text:
            return
        if text:
            written = {"text": text, "written_at": timezone.now()}
            Readme.objects.update_or_create(written, **{kind_of(place): place})  # type: ignore[arg-type]
        else:
            Readme.objects.filter(_of(place)).delete()
        _record("readme", place, by=by, characters=len(text))


def _of(place: Place) -> Q:
    return Q(**{kind_of(place): place})


def set_default_private(entity: Entity, *, private: bool, by: Caller) -> None:
    """Have the collections that a push makes in the entity be private, or not; none that is there
    already changes."""
    check_may_manage(by, entity)
    with transaction.atomic():
        locked = Entity.objects.select_for_update(no_key=True).get(pk=entity.pk)
        entity.default_private = private
        if locked.default_private == private:
            return
        entity.save(update_fields=["default_private"])
        _record("default_private", entity, by=by, private=private)


def _record(what: str, place: Place, *, by: Caller, **detail: Any) -> None:
    recording.record(f"{kind_of(place)}.{what}", place, by=by, **detail)
