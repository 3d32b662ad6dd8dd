"""The pages' addresses. Our own words follow a `-`, which is no legal name."""

from django.urls import URLPattern, include, path, register_converter
from django.urls.converters import StringConverter

from shub.web import (
    audit,
    collection,
    container,
    entity,
    history,
    home,
    image,
    images,
    indexing,
    invitations,
    members,
    own_account,
    place_settings,
    readme,
    remote_file,
    removing,
    renaming,
    returning,
    robots,
    search,
    setup,
    tags,
    teams,
    theme,
    tokens,
)


class NameConverter(StringConverter):
    """A part of a reference. A NUL is in none, and Postgres would refuse to look for it."""

    regex = "[^/\0]+"


class DigestConverter(StringConverter):
    """The hex of a SHA-256."""

    regex = "[0-9a-f]{64}"


register_converter(NameConverter, "name")
register_converter(DigestConverter, "digest")

ENTITY = "library/<name:entity>"
COLLECTION = f"{ENTITY}/<name:collection>"
CONTAINER = f"{COLLECTION}/<name:container>"
IMAGE = f"{CONTAINER}/-/images/sha256.<digest:digest>"
TEAM = "account/teams/<name:team>"


def robot_pages(route: str, of: str) -> list[URLPattern]:
    """The pages for the robots of an entity or a team."""
    one = f"{route}/<name:robot>"
    return [
        path(route, robots.list_robots, name=f"{of}-robots"),
        path(one, robots.show_robot, name=f"{of}-robot"),
        path(f"{one}/remove", robots.remove, name=f"{of}-robot-remove"),
        path(
            f"{one}/tokens/<name:public_id>/revoke",
            robots.revoke_token,
            name=f"{of}-robot-token-revoke",
        ),
    ]


def member_pages(route: str, of: str) -> list[URLPattern]:
    """The pages for those who have a role in an entity or a collection."""
    one = f"{route}/-/members/<int:grant>"
    return [
        path(f"{route}/-/members", members.members, name=f"{of}-members"),
        path(f"{one}/role", members.change, name=f"{of}-member-role"),
        path(f"{one}/take-away", members.take_away, name=f"{of}-member-take-away"),
    ]


def settings_pages(route: str, of: str) -> list[URLPattern]:
    """What an entity, a collection and a container have in common."""
    return [
        path(f"{route}/-/settings", place_settings.show, name=f"{of}-settings"),
        path(f"{route}/-/rename", renaming.rename, name=f"rename-{of}"),
        path(f"{route}/-/description", place_settings.describe, name=f"{of}-description"),
        path(f"{route}/-/readme", readme.edit, name=f"{of}-readme"),
        path(f"{route}/-/readme/preview", readme.preview, name=f"{of}-readme-preview"),
        *removed_pages(route, of),
    ]


def removed_pages(route: str, of: str) -> list[URLPattern]:
    """What was removed there, and can be brought back."""
    one = f"{route}/-/removed/<name:public_id>"
    return [
        path(f"{route}/-/removed", removing.list_removed, name=f"{of}-removed"),
        path(f"{one}/restore", removing.restore, name=f"{of}-restore"),
        path(f"{one}/for-good", removing.remove_for_good, name=f"{of}-remove-for-good"),
    ]


TEAMS_AND_INVITATIONS = [
    path("account/teams", teams.list_teams, name="teams"),
    path(TEAM, teams.show_team, name="team"),
    path(f"{TEAM}/members/role", teams.set_role, name="team-role"),
    path(f"{TEAM}/members/remove", teams.remove_member, name="team-remove"),
    path(f"{TEAM}/invitations/by-name", teams.invite_by_name, name="team-invite-by-name"),
    path(f"{TEAM}/invitations/by-link", teams.invite_by_link, name="team-invite-by-link"),
    path(
        f"{TEAM}/invitations/<name:public_id>/withdraw",
        teams.withdraw,
        name="withdraw-invitation",
    ),
    *robot_pages(f"{TEAM}/robots", "team"),
    path("account/invitations/<name:secret>", invitations.show, name="invitation"),
    path("account/invitations/-/accept", invitations.accept_link, name="accept-invitation"),
    path(
        "account/invitations/-/<name:public_id>/accept",
        invitations.accept_by_name,
        name="accept-invitation-by-name",
    ),
    path(
        "account/invitations/-/<name:public_id>/decline",
        invitations.decline,
        name="decline-invitation",
    ),
]

urlpatterns = [
    path("", home.show, name="home"),
    path("collections", home.collections, name="collections"),
    path("search", search.show, name="search"),
    path("setup", setup.show, name="setup"),
    path("theme", theme.switch, name="theme"),
    path("robots.txt", indexing.robots_txt, name="robots-txt"),
    path(".well-known/security.txt", indexing.security_txt, name="security-txt"),
    path("account/sign-in/and-return", returning.sign_in, name="sign-in-and-return"),
    path("account/delete", own_account.delete, name="delete-account"),
    path("account/export", own_account.export, name="export-account"),
    path("account/containers", own_account.containers, name="own-containers"),
    path("account/audit", audit.show_own, name="own-audit"),
    path("admin-area/", include("shub.web.admin_area.urls")),
    path("admin-area/audit", audit.show_all, name="audit"),
    path("account", include("shub.web.signin.urls")),
    *TEAMS_AND_INVITATIONS,
    path("remote.yaml", remote_file.remote_file, name="remote-file"),
    path("auth/tokens", tokens.list_tokens, name="tokens"),
    path("auth/tokens/<name:public_id>/revoke", tokens.revoke, name="revoke-token"),
    *robot_pages(f"{ENTITY}/-/robots", "entity"),
    path(f"{ENTITY}/-/audit", audit.show_entity, name="entity-audit"),
    *settings_pages(ENTITY, "entity"),
    path(f"{ENTITY}/-/default-private", place_settings.set_default_private, name="default-private"),
    *member_pages(ENTITY, "entity"),
    *settings_pages(COLLECTION, "collection"),
    path(
        f"{COLLECTION}/-/visibility", place_settings.change_visibility, name="collection-visibility"
    ),
    path(f"{COLLECTION}/-/remove", removing.remove, name="remove-collection"),
    *member_pages(COLLECTION, "collection"),
    *settings_pages(CONTAINER, "container"),
    path(
        f"{CONTAINER}/-/visibility", place_settings.change_visibility, name="container-visibility"
    ),
    path(f"{CONTAINER}/-/remove", removing.remove, name="remove-container"),
    path(f"{CONTAINER}/-/frozen", place_settings.freeze, name="freeze-container"),
    path(f"{CONTAINER}/-/tags", tags.show_all, name="tags"),
    path(f"{CONTAINER}/-/tags/<name:tag>", tags.show_one, name="tag"),
    path(f"{CONTAINER}/-/tags/<name:tag>/frozen", place_settings.freeze_tag, name="freeze-tag"),
    path(f"{CONTAINER}/-/tags/<name:tag>/remove", tags.remove, name="remove-tag"),
    path(f"{CONTAINER}/-/history", history.show, name="history"),
    path(f"{CONTAINER}/-/images", images.show, name="images"),
    path(IMAGE, image.show, name="image"),
    path(f"{IMAGE}/download", image.download, name="download"),
    path(f"{IMAGE}/tag", image.tag, name="tag-image"),
    path(f"{IMAGE}/remove", removing.remove, name="remove-image"),
    path(ENTITY, entity.show, name="entity"),
    path(COLLECTION, collection.show, name="collection"),
    path(CONTAINER, container.show, name="container"),
]
