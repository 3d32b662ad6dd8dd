"""`/admin-area/users`: who has an account, and what administrators say of one."""

from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from shub.accounts import roster, standing
from shub.accounts.models import User
from shub.web.admin_area.frame import asked, for_administrators, frame
from shub.web.refusals import attempt
from shub.web.site import caller

STATES = [
    ("", gettext_lazy("Any")),
    (roster.ENABLED, gettext_lazy("Enabled")),
    (roster.DISABLED, gettext_lazy("Disabled")),
]
ROLES = [
    ("", gettext_lazy("Any")),
    (standing.ADMINISTRATOR, gettext_lazy("Administrators")),
    (standing.AUDITOR, gettext_lazy("Auditors")),
    (roster.NO_ROLE, gettext_lazy("People without one")),
    (roster.ROBOT, gettext_lazy("Robots")),
]


class FilterForm(forms.Form):
    """Whose accounts are listed."""

    q = forms.CharField(required=False, max_length=150, label=gettext_lazy("Name or e-mail"))
    state = forms.ChoiceField(required=False, choices=STATES, label=gettext_lazy("State"))
    role = forms.ChoiceField(required=False, choices=ROLES, label=gettext_lazy("Site role"))


class RoleForm(forms.Form):
    """What somebody is on the whole site."""

    role = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Site role"),
        choices=[
            (standing.NONE, gettext_lazy("none")),
            (standing.AUDITOR, gettext_lazy("auditor: sees everything, changes nothing")),
            (standing.ADMINISTRATOR, gettext_lazy("administrator: may do everything")),
        ],
    )


class ReasonForm(forms.Form):
    """Why; the audit trail keeps it."""

    because = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Why"),
        help_text=gettext_lazy("kept in the audit trail; can be left empty"),
    )


@for_administrators
@require_safe
def list_users(request: HttpRequest) -> HttpResponse:
    """The users, fifty at a time, by their names."""
    told = asked(request, "q", "state", "role", "after")
    question = roster.Question(
        text=told["q"], state=told["state"], role=told["role"], after=told["after"]
    )
    page = roster.page(question, by=caller(request))
    filters = {name: text for name, text in told.items() if text and name != "after"}
    return render(
        request,
        "web/admin_area/users.html",
        {
            **frame(request),
            "form": FilterForm(initial=told),
            "users": [(user, standing.site_role(user)) for user in page.users],
            "first": f"?{urlencode(filters)}" if told["after"] else "",
            "next": f"?{urlencode({**filters, 'after': page.next})}" if page.next else "",
            "filtered": bool(filters),
        },
    )


@for_administrators
@require_safe
def show_user(request: HttpRequest, public_id: str) -> HttpResponse:
    """One user, and what can be done."""
    account = roster.account(public_id, by=caller(request))
    role = standing.site_role(account.user)
    return render(
        request,
        "web/admin_area/user.html",
        {
            **frame(request),
            "account": account,
            "person": account.user,
            "role": role,
            "role_form": RoleForm(initial={"role": role}),
            "reason_form": ReasonForm(),
            "is_oneself": account.user == request.user,
        },
    )


@for_administrators
@require_POST
def disable(request: HttpRequest, public_id: str) -> HttpResponse:
    """Let them in no more."""
    user, form, by = _found(request, public_id), ReasonForm(request.POST), caller(request)
    because = form.cleaned_data["because"] if form.is_valid() else ""
    done = _("%(name)s is disabled: their tokens and sessions have ended.") % {"name": user}
    if attempt(request, lambda: standing.disable(user, by=by, because=because), done=done):
        _say_what_is_left(request, user)
    return redirect("admin-user", public_id)


def _say_what_is_left(request: HttpRequest, user: User) -> None:
    alone = [team.name for team in standing.owned_alone(user)]
    if alone:
        messages.warning(
            request,
            ngettext(
                "Nobody else owns the team %(names)s: make somebody else its owner.",
                "Nobody else owns the teams %(names)s: make somebody else their owner.",
                len(alone),
            )
            % {"names": ", ".join(alone)},
        )


@for_administrators
@require_POST
def enable(request: HttpRequest, public_id: str) -> HttpResponse:
    """Let them in again."""
    user, by = _found(request, public_id), caller(request)
    done = _("%(name)s is enabled, and can sign in.") % {"name": user}
    attempt(request, lambda: standing.enable(user, by=by), done=done)
    return redirect("admin-user", public_id)


@for_administrators
@require_POST
def set_role(request: HttpRequest, public_id: str) -> HttpResponse:
    """Make them an administrator, an auditor, or neither."""
    user, by = _found(request, public_id), caller(request)
    done = _("The site role of %(name)s is changed.") % {"name": user}
    role = request.POST.get("role", "")
    attempt(request, lambda: standing.set_site_role(user, role, by=by), done=done)
    return redirect("admin-user", public_id)


@for_administrators
@require_POST
def sign_out(request: HttpRequest, public_id: str) -> HttpResponse:
    """End their sessions."""
    user, by = _found(request, public_id), caller(request)
    done = _("%(name)s is signed out everywhere.") % {"name": user}
    attempt(request, lambda: standing.sign_out(user, by=by), done=done)
    return redirect("admin-user", public_id)


def _found(request: HttpRequest, public_id: str) -> User:
    return roster.find(public_id, by=caller(request))
