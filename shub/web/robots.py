"""Robots, at `/library/ENTITY/-/robots` or `/account/teams/TEAM/robots`: accounts for CI."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from shub.accounts import teams
from shub.accounts.models import Entity, Team
from shub.containers import granting, robots
from shub.containers.models import Role
from shub.web import client_commands, places
from shub.web.refusals import attempt, made_by, page
from shub.web.site import caller
from shub.web.token_forms import ScopedTokenForm


class NewRobotForm(forms.Form):
    """A robot's name, and its role where it belongs."""

    name = forms.CharField(
        max_length=100, label=gettext_lazy("Name"), help_text=gettext_lazy("such as ci")
    )
    role = forms.TypedChoiceField(
        choices=Role.choices,
        coerce=int,
        initial=Role.WRITER,
        label=gettext_lazy("Role"),
        help_text=gettext_lazy("A job that builds and pushes is a writer."),
    )

    def __init__(self, *args: Any, roles: list[Role] | None, **kwargs: Any) -> None:
        """Without roles: a team's, which may what the team's members may."""
        super().__init__(*args, **kwargs)
        if roles is None:
            del self.fields["role"]
        else:
            role: Any = self.fields["role"]
            # Offered, not allowed: which of them may be given is the domain's to say.
            role.widget.choices = [(each.value, each.label) for each in roles]


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def list_robots(request: HttpRequest, entity: str = "", team: str = "") -> HttpResponse:
    """The robots; on POST, a new one."""
    home, by = _home(request, entity, team), caller(request)
    found = robots.seen(home, by=by)
    offered = granting.roles_to_give(home, by=by) if isinstance(home, Entity) else None
    form = NewRobotForm(request.POST or None, roles=offered)
    if request.method == "POST":
        robot = made_by(
            form,
            lambda: robots.create(
                home=home,
                name=form.cleaned_data["name"],
                role=form.cleaned_data.get("role", Role.WRITER),
                by=by,
            ),
        )
        if robot is not None:
            return redirect(f"{_page(home)}/{robots.name_of(robot)}")
    roles = robots.roles(home)
    return render(
        request,
        "web/robots.html",
        {
            **_heading(request, home),
            "robots": [(robots.name_of(robot), robot, roles.get(robot.pk)) for robot in found],
            "form": form,
            "may_keep": robots.may_keep(home, by=by),
        },
    )


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def show_robot(request: HttpRequest, robot: str, entity: str = "", team: str = "") -> HttpResponse:
    """One robot and its tokens; a new one on POST: its text is shown this once."""
    home, by = _home(request, entity, team), caller(request)
    found = robots.find(home, robot, by=by)
    form = ScopedTokenForm(request.POST or None, user=found, by=by)
    text = ""
    if request.method == "POST":
        text = made_by(form, lambda: robots.issue_token(robot=found, by=by, **form.asked)) or ""
        form = ScopedTokenForm(user=found, by=by) if text else form
    return render(
        request,
        "web/robot.html",
        {
            **_heading(request, home),
            "robot": found,
            "name": robots.name_of(found),
            "role": robots.roles(home).get(found.pk),
            "tokens": found.tokens.recent().select_related("entity").order_by("-created_at"),
            "form": form,
            "text": text,
            "logins": client_commands.login_commands(),
            "may_keep": robots.may_keep(home, by=by),
            "revoke_below": f"{_page(home)}/{robots.name_of(found)}/tokens",
        },
    )


@login_required
@require_POST
@page
def revoke_token(
    request: HttpRequest, robot: str, public_id: str, entity: str = "", team: str = ""
) -> HttpResponse:
    """End one of the robot's tokens."""
    home, by = _home(request, entity, team), caller(request)
    found = robots.find(home, robot, by=by)
    attempt(
        request,
        lambda: robots.revoke_token(robot=found, public_id=public_id, by=by),
        done=_("The token is revoked: whoever has it can no longer use it."),
    )
    return redirect(f"{_page(home)}/{robots.name_of(found)}")


@login_required
@require_POST
@page
def remove(request: HttpRequest, robot: str, entity: str = "", team: str = "") -> HttpResponse:
    """End the robot."""
    home, by = _home(request, entity, team), caller(request)
    found = robots.find(home, robot, by=by)
    attempt(
        request,
        lambda: robots.remove(home=home, robot=found, by=by),
        done=_("The robot %(name)s is removed, and its tokens with it.") % {"name": found.username},
    )
    return redirect(_page(home))


def _home(request: HttpRequest, entity: str, team: str) -> Entity | Team:
    if team:
        return teams.find(team, by=caller(request))
    return places.find_entity(request, entity)


def _page(home: Entity | Team) -> str:
    if isinstance(home, Team):
        return reverse("team-robots", args=[home.name])
    return reverse("entity-robots", args=[home.name])


def _heading(request: HttpRequest, home: Entity | Team) -> dict[str, Any]:
    robots_page = {"robots_page": _page(home), "is_teams": isinstance(home, Team)}
    if isinstance(home, Team):
        return {
            **robots_page,
            "place": home,
            "here": reverse("team", args=[home.name]),
            "above": [(_("Teams"), reverse("teams"))],
            "tabs": [
                (_("Overview"), reverse("team", args=[home.name]), ""),
                (_("Robots"), _page(home), ""),
            ],
        }
    return {**robots_page, **places.heading(home, by=caller(request))}
