"""`/account/teams`: one's teams, who is in them, and who is invited."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from shub.accounts import invitations, teams
from shub.accounts.models import Entity, Team, TeamMembership
from shub.rows import first
from shub.web.refusals import attempt, made_by, page
from shub.web.site import caller, signed_in

Role = TeamMembership.Role

ROLES = [
    (Role.MEMBER.value, gettext_lazy("member: pushes into the team's entity")),
    (Role.OWNER.value, gettext_lazy("owner: decides who is in the team, too")),
]

LIVES = [
    ("1", gettext_lazy("a day")),
    ("7", gettext_lazy("a week")),
    ("30", gettext_lazy("30 days")),
]


class NewTeamForm(forms.Form):
    """What the team and its entity are called."""

    name = forms.CharField(
        max_length=128,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("of the team and of the entity that it pushes into"),
    )
    description = forms.CharField(
        required=False, max_length=1000, label=gettext_lazy("Description (optional)")
    )


class NameForm(forms.Form):
    """Who is invited by name."""

    username = forms.CharField(max_length=150, label=gettext_lazy("Sign-in name"))
    role = forms.ChoiceField(choices=ROLES, initial=Role.MEMBER, label=gettext_lazy("Role"))


class LinkForm(forms.Form):
    """Whom a link is for."""

    note = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Note (optional)"),
        help_text=gettext_lazy("whom it is for; seen by the team's owners"),
    )
    role = forms.ChoiceField(choices=ROLES, initial=Role.MEMBER, label=gettext_lazy("Role"))
    days = forms.ChoiceField(choices=LIVES, initial="7", label=gettext_lazy("Good for"))


class MemberForm(forms.Form):
    """A member by name, and a role where one is given."""

    username = forms.CharField(max_length=150)
    role = forms.ChoiceField(choices=Role.choices, required=False)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def list_teams(request: HttpRequest) -> HttpResponse:
    """One's teams and the invitations that name one; on POST, a new team."""
    user, by = signed_in(request), caller(request)
    form = NewTeamForm(request.POST or None)
    if request.method == "POST":
        team = made_by(form, lambda: teams.create(**form.cleaned_data, by=by))
        if team is not None:
            messages.success(
                request, _("The team %(team)s is made, and you are its owner.") % {"team": team}
            )
            return redirect("team", team.name)
    return render(
        request,
        "web/teams.html",
        {
            "memberships": user.memberships.select_related("team").order_by("team__name"),
            "others": _others(request),
            "invitations": invitations.naming(by),
            "may_create": teams.may_create(by),
            "form": form,
        },
    )


def _others(request: HttpRequest) -> list[Team]:
    """Teams that one sees without being in them."""
    seen = teams.visible_to(caller(request)).exclude(memberships__user=signed_in(request))
    return list(seen.order_by("name")[:100])


@login_required
@require_safe
@page
def show_team(request: HttpRequest, team: str) -> HttpResponse:
    """Who is in the team; to its owners, who is invited, too."""
    return _render(request, teams.find(team, by=caller(request)))


def _render(request: HttpRequest, team: Team, **more: Any) -> HttpResponse:
    by = caller(request)
    return render(
        request,
        "web/team.html",
        {
            "team": team,
            "place": team,
            "here": reverse("team", args=[team.name]),
            "above": [(_("Teams"), reverse("teams"))],
            "tabs": _tabs(request, team),
            "members": team.memberships.select_related("user").order_by("-role", "user__username"),
            "entity": first(Entity.objects.filter(team=team)),
            "may_decide": teams.may_decide(by, team),
            "invitations": invitations.of(team, by=by),
            "name_form": NameForm(auto_id="name_%s"),
            "link_form": LinkForm(auto_id="link_%s"),
            **more,
        },
    )


def _tabs(request: HttpRequest, team: Team) -> list[tuple[str, str, str]]:
    by = caller(request)
    if not (teams.may_decide(by, team) or by.known.sees_everything):
        return []
    return [
        (_("Overview"), reverse("team", args=[team.name]), ""),
        (_("Robots"), reverse("team-robots", args=[team.name]), ""),
    ]


@login_required
@require_POST
@page
def set_role(request: HttpRequest, team: str) -> HttpResponse:
    """Make a member an owner, or an owner a member."""
    found, by = teams.find(team, by=caller(request)), caller(request)
    form = MemberForm(request.POST)
    if form.is_valid():
        asked = form.cleaned_data
        attempt(
            request,
            lambda: teams.set_role(
                team=found, username=asked["username"], role=asked["role"], by=by
            ),
            done=_("%(name)s is %(role)s now.")
            % {"name": asked["username"], "role": asked["role"]},
        )
    return redirect("team", found.name)


@login_required
@require_POST
@page
def remove_member(request: HttpRequest, team: str) -> HttpResponse:
    """Take somebody out, or leave."""
    found, by = teams.find(team, by=caller(request)), caller(request)
    form = MemberForm(request.POST)
    if form.is_valid():
        username = form.cleaned_data["username"]
        attempt(
            request,
            lambda: teams.remove(team=found, username=username, by=by),
            done=_("%(name)s is no longer in the team %(team)s.")
            % {"name": username, "team": found},
        )
    if teams.visible_to(by).filter(pk=found.pk).exists():
        return redirect("team", found.name)
    return redirect("teams")


@login_required
@require_POST
@page
def invite_by_name(request: HttpRequest, team: str) -> HttpResponse:
    """Offer a place to a user, who finds it on their page of teams."""
    found, by = teams.find(team, by=caller(request)), caller(request)
    form = NameForm(request.POST, auto_id="name_%s")
    if not form.is_valid():
        return _render(request, found, name_form=form)
    asked = form.cleaned_data
    attempt(
        request,
        lambda: invitations.invite_by_name(team=found, **asked, by=by),
        done=_("%(name)s is invited, and finds it on their page of teams.")
        % {"name": asked["username"]},
    )
    return redirect("team", found.name)


@login_required
@never_cache
@require_POST
@page
def invite_by_link(request: HttpRequest, team: str) -> HttpResponse:
    """Offer a place to whoever has a link, which is shown this once."""
    found, by = teams.find(team, by=caller(request)), caller(request)
    form = LinkForm(request.POST, auto_id="link_%s")
    made = made_by(
        form,
        lambda: invitations.invite_by_link(
            team=found,
            role=form.cleaned_data["role"],
            note=form.cleaned_data["note"],
            life=timedelta(days=int(form.cleaned_data["days"])),
            by=by,
        ),
    )
    if made is None:
        return _render(request, found, link_form=form)
    _invitation, secret = made
    return _render(request, found, link=reverse("invitation", args=[secret]))


@login_required
@require_POST
@page
def withdraw(request: HttpRequest, team: str, public_id: str) -> HttpResponse:
    """Make an invitation worth nothing."""
    found, by = teams.find(team, by=caller(request)), caller(request)
    attempt(
        request,
        lambda: invitations.withdraw(public_id=public_id, by=by),
        done=_("The invitation is withdrawn."),
    )
    return redirect("team", found.name)
