"""`/admin-area/uploads`: what is on its way, what waits, and what did not become an image."""

from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from shub.uploads import attempts
from shub.uploads.models import Upload
from shub.web.admin_area.frame import asked, for_administrators, frame
from shub.web.site import caller

State = Upload.State

KINDS = [
    ("", gettext_lazy("Any")),
    ("under-way", gettext_lazy("On their way")),
    ("waiting", gettext_lazy("Waiting for verification")),
    ("stuck", gettext_lazy("Stuck")),
    ("trouble", gettext_lazy("Tried again later")),
    ("failed", gettext_lazy("Refused or expired")),
    ("refused", gettext_lazy("Refused")),
    ("expired", gettext_lazy("Expired")),
    ("aborted", gettext_lazy("Given up by the client")),
    ("done", gettext_lazy("Done")),
]

WORDS = {
    State.OPEN: gettext_lazy("arriving"),
    State.JOINING: gettext_lazy("being joined"),
    State.VERIFYING: gettext_lazy("waiting for verification"),
    State.DONE: gettext_lazy("done"),
    State.REFUSED: gettext_lazy("refused"),
    State.EXPIRED: gettext_lazy("expired"),
    State.ABORTED: gettext_lazy("given up by the client"),
}

# A word beside the state, in the colour that says how much it matters.
MARKS = {State.DONE: "good", State.REFUSED: "danger", State.EXPIRED: "warn"}


class FilterForm(forms.Form):
    """Which uploads are listed."""

    state = forms.ChoiceField(required=False, choices=KINDS, label=gettext_lazy("State"))
    entity = forms.CharField(required=False, max_length=150, label=gettext_lazy("Entity"))


@for_administrators
@require_safe
def list_uploads(request: HttpRequest) -> HttpResponse:
    """The uploads, fifty at a time, the newest first."""
    told = asked(request, "state", "entity", "before")
    question = attempts.Question(kind=told["state"], entity=told["entity"], before=told["before"])
    page = attempts.page(question, by=caller(request))
    filters = {name: text for name, text in told.items() if text and name != "before"}
    return render(
        request,
        "web/admin_area/uploads.html",
        {
            **frame(request),
            "form": FilterForm(initial=told),
            "rows": [
                (each, WORDS[State(each.state)], *_mark(each), attempts.troubles_of(each))
                for each in page.uploads
            ],
            "newest": f"?{urlencode(filters)}" if told["before"] else "",
            "older": f"?{urlencode({**filters, 'before': page.older})}" if page.older else "",
            "filtered": bool(filters),
            "idle_hours": settings.UPLOAD_IDLE_HOURS,
            "looked_through": attempts.LOOKED_THROUGH,
        },
    )


def _mark(upload: Upload) -> tuple[str, bool]:
    """The colour of its state, and whether it is stuck."""
    is_stuck = attempts.is_stuck(upload)
    return ("warn" if is_stuck else MARKS.get(State(upload.state), "")), is_stuck
