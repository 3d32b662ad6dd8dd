"""Places: entities, collections and containers by the address of a page."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.containers import granting, namespaces
from shub.containers.models import Collection, Container
from shub.containers.permissions import Place, may_look_into
from shub.containers.refs import LibraryRef
from shub.web.refusals import Moved
from shub.web.site import caller


def find_entity(request: HttpRequest, name: str) -> Entity:
    """The entity of the page's address; NotFound where one may not see it."""
    found = namespaces.find_entity(name, by=caller(request))
    _check_present_names(request, {"entity": name}, found)
    return found


def find_collection(request: HttpRequest, entity: str, name: str) -> Collection:
    """The collection of the page's address; NotFound where one may not see it."""
    found = namespaces.find_collection(entity, name, by=caller(request))
    _check_present_names(request, {"entity": entity, "collection": name}, found)
    return found


def find_container(request: HttpRequest, entity: str, collection: str, name: str) -> Container:
    """The container of the page's address; NotFound where one may not see it."""
    found = namespaces.find_container(entity, collection, name, by=caller(request))
    asked = {"entity": entity, "collection": collection, "container": name}
    _check_present_names(request, asked, found)
    return found


def find(request: HttpRequest, entity: str, collection: str = "", container: str = "") -> Place:
    """Whichever of the three the address is of."""
    if container:
        return find_container(request, entity, collection, container)
    if collection:
        return find_collection(request, entity, collection)
    return find_entity(request, entity)


def find_within(
    request: HttpRequest, entity: str, collection: str, container: str
) -> Collection | Container:
    """One of the two that are in an entity."""
    if container:
        return find_container(request, entity, collection, container)
    return find_collection(request, entity, collection)


def find_with_members(request: HttpRequest, entity: str, collection: str) -> Entity | Collection:
    """One of the two that roles are held on."""
    if collection:
        return find_collection(request, entity, collection)
    return find_entity(request, entity)


def _check_present_names(request: HttpRequest, asked: dict[str, str], found: Place) -> None:
    """Moved where the page is looked at by names that places had, or in another case; a form is
    simply taken."""
    present = dict(zip(asked, names_of(found), strict=True))
    if request.method in {"GET", "HEAD"} and asked != present:
        raise Moved(**present)


def kind_of(place: Place) -> str:
    """What it is, as the names of addresses begin: `entity`, `collection` or `container`."""
    return type(place).__name__.lower()


def names_of(place: Place) -> list[str]:
    """Its name, after those of the places that it is in: the parts of its address."""
    if isinstance(place, Container):
        return [*names_of(place.collection), place.name]
    if isinstance(place, Collection):
        return [place.entity.name, place.name]
    return [place.name]


def address(place: Place) -> str:
    """Where its page is."""
    return reverse(kind_of(place), args=names_of(place))


def image_in(container: Container, digest: str) -> LibraryRef:
    """How the image of this hash is asked for there."""
    entity, collection, name = names_of(container)
    return LibraryRef(entity, collection, name, f"sha256.{digest}")


def heading(place: Place, *, by: Caller) -> dict[str, Any]:
    """What the head of each of its pages shows: where it is, and the pages that one may go to."""
    if isinstance(place, Container):
        above: list[Place] = [place.collection.entity, place.collection]
    else:
        above = [place.entity] if isinstance(place, Collection) else []
    return {
        "place": place,
        "here": address(place),
        "above": [(each.name, address(each)) for each in above],
        "tabs": _tabs(place, by),
        "meta_title": str(place),
        "meta_description": place.description,
    }


def _tabs(place: Place, by: Caller) -> list[tuple[str, str, str]]:
    here = address(place)
    return [
        (_("Overview"), here, ""),
        *((label, f"{here}/-/{word}", "") for word, label in _words(place, by)),
    ]


def _words(place: Place, by: Caller) -> list[tuple[str, str]]:
    """What follows the `-` in the addresses of its other pages, and what they are called."""
    words = []
    if isinstance(place, Container):
        words += [("tags", _("Tags")), ("history", _("History")), ("images", _("Images"))]
    elif granting.may_see_members(place, by=by):
        words.append(("members", _("Members")))
    if not may_look_into(by, place):
        return words
    if isinstance(place, Entity):
        words += [("robots", _("Robots")), ("audit", _("Audit trail"))]
    return [*words, ("settings", _("Settings"))]
