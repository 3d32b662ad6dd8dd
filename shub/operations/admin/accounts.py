"""Users, entities, names, teams, tokens and invitations."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.password_validation import validate_password
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from shub.accounts import invitations, registration, standing, teams
from shub.accounts.models import Entity, FormerName, Invitation, Team, TeamMembership, Token, User
from shub.audit.models import Event
from shub.containers import deletion, naming, usage
from shub.containers.models import Collection, Grant
from shub.errors import Refusal
from shub.operations.admin.base import DomainAdmin, do_for_each, link, list_link, together
from shub.operations.admin.site import site
from shub.web.own_account import DeletionForm
from shub.web.site import caller

SITE_ROLES = [
    (standing.NONE, "none"),
    (standing.AUDITOR, "auditor: sees everything, changes nothing"),
    (standing.ADMINISTRATOR, "administrator: may do everything"),
]


class NewUserForm(forms.ModelForm):
    """Somebody new, with a password that they have to change first."""

    first_password = forms.CharField(
        max_length=128,
        help_text="told to them by you, and changed by them before anything else is done with it",
    )
    entity_name = forms.CharField(
        max_length=128, required=False, help_text="where it cannot be the sign-in name"
    )

    class Meta:
        model = User
        fields = ("username", "email")

    def clean_first_password(self) -> str:
        """As strong as one that people choose themselves."""
        password: str = self.cleaned_data["first_password"]
        validate_password(password, User(username=self.cleaned_data.get("username", "")))
        return password


class UserForm(forms.ModelForm):
    """What administrators say of a user."""

    site_role = forms.ChoiceField(choices=SITE_ROLES, required=False)

    class Meta:
        model = User
        fields = ("is_active",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Without the field: an auditor's view of the page has none.
        if "site_role" in self.fields:
            self.fields["site_role"].initial = standing.site_role(self.instance)


@admin.register(User, site=site)
class UserAdmin(DomainAdmin):
    """People and robots."""

    may_add = may_change = may_delete = True
    form = UserForm
    list_display = ("username", "kind", "is_active", "role", "home", "tokens", "last_login")
    list_filter = ("is_active", "is_superuser", "is_auditor")
    list_select_related = ("entity", "robot_entity", "robot_team")
    search_fields = ("username", "email", "public_id")
    linked_by = (
        "robot_entity__id__exact",
        "robot_team__id__exact",
    )
    ordering = ("username",)
    actions = ("disable", "enable")
    fields = (
        "username",
        "email",
        "is_active",
        "site_role",
        "kind",
        "home",
        "public_id",
        "must_change_password",
        "date_joined",
        "last_login",
        "tokens",
        "elsewhere",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return ()
        if not self.has_change_permission(request, obj):
            return ("role", *self.shown_but("site_role"))
        return self.shown_but("is_active", "site_role")

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return ("username", "entity_name", "email", "first_password")
        if not self.has_change_permission(request, obj):
            return ("username", "role", *self.shown_but("username", "site_role"))
        return self.fields

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **options: Any
    ) -> Any:
        if obj is None:
            options["form"] = NewUserForm
        return super().get_form(request, obj, change=change, **options)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        by = caller(request)
        if not change:
            made = registration.create_user(
                username=form.cleaned_data["username"],
                password=form.cleaned_data["first_password"],
                entity_name=form.cleaned_data["entity_name"],
                email=form.cleaned_data["email"],
                must_change_password=True,
                by=by,
            )
            obj.pk = made.pk
            return
        stored = User.objects.get(pk=obj.pk)
        if "site_role" in form.changed_data:
            standing.set_site_role(stored, form.cleaned_data["site_role"], by=by)
        if "is_active" in form.changed_data:
            act = standing.enable if obj.is_active else standing.disable
            act(stored, by=by)
            self._say_what_is_left(request, stored)

    def _say_what_is_left(self, request: HttpRequest, user: User) -> None:
        alone = [] if user.is_active else standing.owned_alone(user)
        if alone:
            names = ", ".join(team.name for team in alone)
            messages.warning(
                request, f"Nobody else owns the team {names}: make somebody else its owner."
            )

    def delete_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """What goes with the account; on POST, it goes. Robots go where they belong to."""
        user = self.get_object(request, str(args[0] if args else options["object_id"]))
        by = caller(request)
        if user is None or not self.has_delete_permission(request, user):
            raise Http404("There is no such user, or you may not delete them.")
        try:
            summary = deletion.foresee(user, by=by)
            form = DeletionForm(request.POST or None, summary=summary, to_the_site=True)
            if request.method == "POST" and form.is_valid():
                deletion.delete_account(user, images=form.cleaned_data["images"], by=by)
                messages.success(request, f"The account {summary.username} is deleted.")
                return redirect("admin:accounts_user_changelist")
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return redirect("admin:accounts_user_change", user.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Delete the account {user.username}",
            "opts": self.opts,
            "object": user,
            "summary": summary,
            "form": form,
        }
        return TemplateResponse(request, "operations/delete_account.html", context)

    @admin.action(description="Disable: tokens and sessions end at once")
    def disable(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        do_for_each(request, rows, lambda user, by: standing.disable(user, by=by), done="disabled")
        for user in rows:
            self._say_what_is_left(request, user)

    @admin.action(description="Enable")
    def enable(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        do_for_each(request, rows, lambda user, by: standing.enable(user, by=by), done="enabled")

    @admin.display(description="Kind")
    def kind(self, user: User) -> str:
        return "robot" if user.is_robot else "person"

    @admin.display(description="Site role")
    def role(self, user: User) -> str:
        return standing.site_role(user) or "–"

    @admin.display(description="Entity or team")
    def home(self, user: User) -> SafeString | str:
        own = getattr(user, "entity", None)
        return link(own or user.robot_entity or user.robot_team)

    @admin.display(description="Tokens")
    def tokens(self, user: User) -> SafeString:
        return list_link(Token, "tokens", user__id__exact=user.pk)

    @admin.display(description="Elsewhere")
    def elsewhere(self, user: User) -> SafeString:
        return together(
            list_link(TeamMembership, "teams", user__id__exact=user.pk),
            list_link(Grant, "roles", user__id__exact=user.pk),
            list_link(Event, "what they did", actor=user.username),
            list_link(Event, "what was done to them", about=user.public_id),
        )


@admin.register(Entity, site=site)
class EntityAdmin(DomainAdmin):
    """Namespaces. Their names and quotas are changed here."""

    may_change = True
    list_display = ("name", "belongs_to", "quota_bytes", "retired_at", "lists")
    list_filter = (("retired_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user", "team")
    search_fields = ("name", "public_id", "former_names__name")
    ordering = ("name",)
    actions = ("release",)
    fields = (
        "name",
        "quota_bytes",
        "belongs_to",
        "description",
        "default_private",
        "public_id",
        "created_at",
        "retired_at",
        "names_before",
        "stored",
        "lists",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Entity | None = None) -> Any:
        changed = ("name", "quota_bytes") if self.has_change_permission(request, obj) else ()
        return self.shown_but(*changed)

    def save_model(self, request: HttpRequest, obj: Entity, form: Any, change: bool) -> None:
        by = caller(request)
        stored = Entity.objects.get(pk=obj.pk)
        if "quota_bytes" in form.changed_data:
            usage.set_quota(name=stored.name, quota=obj.quota_bytes, by=by)
        if "name" in form.changed_data:
            naming.rename(stored, to=obj.name, by=by)

    @admin.action(description="Release the names of retired entities: anybody can take them")
    def release(self, request: HttpRequest, rows: QuerySet[Entity]) -> None:
        do_for_each(
            request,
            rows,
            lambda entity, by: naming.release(entity.name, by=by),
            done="released",
        )

    @admin.display(description="Belongs to")
    def belongs_to(self, entity: Entity) -> SafeString | str:
        if entity.user or entity.team:
            return link(entity.user or entity.team)
        return "nobody any more" if entity.retired_at else "the site"

    @admin.display(description="Names before")
    def names_before(self, entity: Entity) -> str:
        return ", ".join(former.name for former in entity.former_names.order_by("name")) or "–"

    @admin.display(description="Stored bytes")
    def stored(self, entity: Entity) -> str:
        return f"{usage.stored_bytes(entity):,}"

    @admin.display(description="Lists")
    def lists(self, entity: Entity) -> SafeString:
        return together(
            list_link(Collection, "collections", entity__id__exact=entity.pk),
            list_link(Grant, "roles", entity__id__exact=entity.pk),
            list_link(User, "robots", robot_entity__id__exact=entity.pk),
            list_link(Event, "events", entity=entity.public_id),
        )


@admin.register(FormerName, site=site)
class FormerNameAdmin(DomainAdmin):
    """Names that are kept for an entity that had them. Deleting one releases it."""

    may_delete = True
    list_display = ("name", "now", "given_up_at")
    list_select_related = ("entity",)
    search_fields = ("name", "entity__name")
    ordering = ("name",)
    fields = readonly_fields = ("name", "now", "given_up_at")

    def delete_model(self, request: HttpRequest, obj: FormerName) -> None:
        naming.release(obj.name, by=caller(request))

    @admin.display(description="Entity")
    def now(self, former: FormerName) -> SafeString | str:
        return link(former.entity)


@admin.register(Team, site=site)
class TeamAdmin(DomainAdmin):
    """Teams. Who is in them is changed on their own pages, which administrators reach too."""

    list_display = ("name", "home", "created_at", "lists")
    list_select_related = ("entity",)
    search_fields = ("name", "public_id")
    ordering = ("name",)
    fields = readonly_fields = (
        "name",
        "description",
        "home",
        "public_id",
        "created_at",
        "lists",
    )

    @admin.display(description="Entity")
    def home(self, team: Team) -> SafeString | str:
        return link(getattr(team, "entity", None))

    @admin.display(description="Lists")
    def lists(self, team: Team) -> SafeString:
        return together(
            list_link(TeamMembership, "members", team__id__exact=team.pk),
            list_link(User, "robots", robot_team__id__exact=team.pk),
            list_link(Invitation, "invitations", team__id__exact=team.pk),
            list_link(Grant, "roles", team__id__exact=team.pk),
        )


@admin.register(TeamMembership, site=site)
class TeamMembershipAdmin(DomainAdmin):
    """Who is in which team."""

    list_display = ("id", "member", "in_team", "role", "from_group", "joined_at")
    list_filter = ("role",)
    list_select_related = ("team", "user")
    search_fields = ("user__username", "team__name")
    linked_by = (
        "user__id__exact",
        "team__id__exact",
    )
    ordering = ("-id",)
    fields = readonly_fields = ("member", "in_team", "role", "from_group", "joined_at")
    actions = ("make_owner", "make_member", "take_out")

    @admin.action(description="Make owner of the team")
    def make_owner(self, request: HttpRequest, rows: QuerySet[TeamMembership]) -> None:
        self._set_role(request, rows, TeamMembership.Role.OWNER)

    @admin.action(description="Make member of the team")
    def make_member(self, request: HttpRequest, rows: QuerySet[TeamMembership]) -> None:
        self._set_role(request, rows, TeamMembership.Role.MEMBER)

    def _set_role(self, request: HttpRequest, rows: Any, role: str) -> None:
        do_for_each(
            request,
            rows,
            lambda row, by: teams.set_role(
                team=row.team, username=row.user.username, role=role, by=by
            ),
            done="changed",
        )

    @admin.action(description="Take out of the team")
    def take_out(self, request: HttpRequest, rows: QuerySet[TeamMembership]) -> None:
        do_for_each(
            request,
            rows,
            lambda row, by: teams.remove(team=row.team, username=row.user.username, by=by),
            done="taken out",
        )

    @admin.display(description="User")
    def member(self, membership: TeamMembership) -> SafeString | str:
        return link(membership.user)

    @admin.display(description="Team")
    def in_team(self, membership: TeamMembership) -> SafeString | str:
        return link(membership.team)


@admin.register(Token, site=site)
class TokenAdmin(DomainAdmin):
    """Tokens: their facts, never what they are known by."""

    list_display = (
        "name",
        "holder",
        "public_id",
        "scopes",
        "bound_to",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "expires_at")
    list_select_related = ("user", "entity")
    search_fields = ("=public_id", "name", "user__username")
    linked_by = ("user__id__exact",)
    ordering = ("-id",)
    sortable_by = ()
    actions = ("revoke",)
    fields = readonly_fields = (
        *list_display,
        "created_by",
        "last_used_from",
        "used",
    )

    @admin.action(description="Revoke: whoever has them can no longer use them")
    def revoke(self, request: HttpRequest, rows: QuerySet[Token]) -> None:
        do_for_each(
            request,
            rows.select_related("user"),
            lambda token, by: standing.revoke_token(token, by=by),
            done="revoked",
        )

    @admin.display(description="User")
    def holder(self, token: Token) -> SafeString | str:
        return link(token.user)

    @admin.display(description="Bound to")
    def bound_to(self, token: Token) -> str:
        return token.bound_to or "–"

    @admin.display(description="What it did")
    def used(self, token: Token) -> SafeString:
        return list_link(Event, "events", token=token.public_id)


class NewInvitationForm(forms.ModelForm):
    """An invitation to register."""

    class Meta:
        model = Invitation
        fields = ("note",)


@admin.register(Invitation, site=site)
class InvitationAdmin(DomainAdmin):
    """Invitations: into teams, made on their pages; and to register, made here."""

    may_add = True
    list_display = (
        "public_id",
        "what",
        "note",
        "maker",
        "expires_at",
        "accepted_at",
        "withdrawn_at",
    )
    list_select_related = ("team", "user", "created_by")
    list_filter = (
        ("accepted_at", admin.EmptyFieldListFilter),
        ("withdrawn_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("=public_id", "note", "team__name", "user__username")
    linked_by = ("team__id__exact",)
    ordering = ("-id",)
    actions = ("withdraw",)
    fields = readonly_fields = (
        "public_id",
        "what",
        "role",
        "invited",
        "note",
        "maker",
        "created_at",
        "expires_at",
        "accepted_at",
        "withdrawn_at",
    )

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> Any:
        return self.fields if obj else ("note",)

    def get_readonly_fields(self, request: HttpRequest, obj: Invitation | None = None) -> Any:
        return self.readonly_fields if obj else ()

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        invitation, secret = invitations.invite_by_link(
            team=None, by=caller(request), note=form.cleaned_data["note"]
        )
        obj.pk = invitation.pk
        obj.secret = secret  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The link, shown this once: not in a message, which would be kept in a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": "An invitation to register",
            "opts": self.opts,
            "link": settings.PUBLIC_URL + reverse("follow-invitation", args=[obj.secret]),  # type: ignore[attr-defined]
        }
        answer = TemplateResponse(request, "operations/invitation.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    @admin.action(description="Withdraw")
    def withdraw(self, request: HttpRequest, rows: QuerySet[Invitation]) -> None:
        do_for_each(
            request,
            rows,
            lambda row, by: invitations.withdraw(public_id=row.public_id, by=by),
            done="withdrawn",
        )

    @admin.display(description="To what")
    def what(self, invitation: Invitation) -> SafeString | str:
        return link(invitation.team) if invitation.team else "register"

    @admin.display(description="By name")
    def invited(self, invitation: Invitation) -> SafeString | str:
        return link(invitation.user)

    @admin.display(description="Made by")
    def maker(self, invitation: Invitation) -> SafeString | str:
        return link(invitation.created_by)
