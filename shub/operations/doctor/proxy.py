"""What a proxy makes of the requests that it passes on, seen from its other end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor import address, probe
from shub.operations.doctor.asking import Answer, NotReached, Stage, ask
from shub.operations.doctor.finding import Finding, fault, skipped, warning, well
from shub.operations.doctor.options import Options

# The list of 10,000 parts that the largest push ends with.
API_BODY_BYTES = 900_000

# More than any client sends: a token has 224 characters, a browser's cookies some hundred more.
HEADER_BYTES = 4000

# Of a network for documentation: no request comes from there.
FORGED = "192.0.2.77"

NOT_OURS = fault(
    "proxy-not-ours",
    _(
        "The web server does not know doctor's word. It runs with another SECRET_KEY or an "
        "older release, or it is another registry: people are signed out, tokens and "
        "addresses contradict each other."
    ),
    _(
        "Restart the web server with the settings and the release that doctor has; run "
        "doctor where the web server runs, with the same environment."
    ),
)
OTHER_SETTINGS = fault(
    "proxy-other-settings",
    _(
        "The web server runs with other settings than doctor, so what doctor says may not "
        "hold of it; most often it was not restarted after a change."
    ),
    _("Restart the web server and the sweep, or run doctor with the same environment."),
)
NOT_TRUSTED = warning(
    "proxy-not-trusted",
    _(
        "All users seem to come from the proxy's address: they share one limit, and the "
        "audit trail names nobody's own address."
    ),
    _("Add {peer} (or its network) to TRUSTED_PROXIES."),
)
NO_ADDRESS = warning(
    "proxy-no-forwarded-for",
    _(
        "All users seem to come from the proxy's address: they share one limit, and the "
        "audit trail names nobody's own address."
    ),
    _("Have the proxy send it: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for"),
)
FORGEABLE = fault(
    "proxy-forged-address",
    _(
        "Whoever writes an X-Forwarded-For has any address that they like: limits and the "
        "audit trail can be deceived."
    ),
    _(
        "Have the proxy append the address that it sees: proxy_set_header X-Forwarded-For "
        "$proxy_add_x_forwarded_for"
    ),
)
NO_SCHEME = fault(
    "proxy-no-forwarded-proto",
    _(
        "The registry takes requests by https for plain ones: every form on the pages, "
        "signing in too, is refused with 403."
    ),
    _("Have the proxy send it: proxy_set_header X-Forwarded-Proto $scheme"),
)
OTHER_HOST = fault(
    "proxy-other-host",
    _("Every form on the pages is refused with 403, since it seems to come from another site."),
    _("Have the proxy pass on the Host that it got: proxy_set_header Host $http_host"),
)
BODY_LIMIT = fault(
    "proxy-body-limit-api",
    _(
        "A push of many parts fails at its end, and images that old clients send through the "
        "registry fail: 413 Request Entity Too Large."
    ),
    _(
        "In nginx: client_max_body_size 0; in the server or in location /. Other proxies "
        "have a like setting."
    ),
)
HEADER_LIMIT = fault(
    "proxy-header-limit",
    _("Requests with a token or with several cookies are refused."),
    _("In nginx: large_client_header_buffers 4 16k; other proxies have a like setting."),
)
IMPATIENT = fault(
    "proxy-impatient",
    _(
        "A push ends with 504 or a closed connection while it waits for its verification, "
        "although the image is kept."
    ),
    _(
        "Give the proxy more patience (nginx: proxy_read_timeout 300s), or set "
        "VERIFY_WAIT_SECONDS below its own."
    ),
)


@dataclass(frozen=True)
class Seen:
    """An answer of the probe: what the server told, and what this end knows."""

    told: dict[str, Any]
    answer: Answer

    @property
    def is_direct(self) -> bool:
        """Whether the server's peer is doctor itself: nothing is in between."""
        host, port = self.answer.own
        return (self.told["peer"], str(self.told["peer_port"])) == (host, str(port))


def probed(options: Options, **request: Any) -> Seen | Finding:
    """Ask the probe through the registry's address; a finding where something else answers."""
    think = request.pop("think", 0.0)
    method = "POST" if request.get("body") else "GET"
    headers = {probe.HEADER: probe.word(think), **request.pop("headers", {})}
    answer = ask(options, method, settings.PUBLIC_URL + probe.PATH, headers=headers, **request)
    told = probe.read(answer.body) if answer.status == 200 else None
    if told is not None:
        return Seen(told, answer)
    if answer.status == 404:
        return NOT_OURS.found(f"{settings.PUBLIC_URL}{probe.PATH} answers 404 to doctor's word")
    return address.refusal(answer) or address.SOMETHING_ELSE.found(answer.text)


def look(options: Options) -> list[Finding]:
    """Ask by several requests what the server sees of them."""
    try:
        first = probed(options, headers={"X-Forwarded-For": FORGED})
    except NotReached as fault:
        return [skipped(f"The registry's address gives no answer ({fault.words}): see address.")]
    if isinstance(first, Finding):
        return (
            [first]
            if first.code == NOT_OURS.code
            else [skipped(f"{first.seen}: see address and cache.")]
        )
    findings = [*_forwarding(first), *_limits(options)]
    return findings or [well(_summary(first, options))]


def _summary(seen: Seen, options: Options) -> str:
    between = "nothing in between" if seen.is_direct else f"{seen.told['peer']} in between"
    waited = f"; {options.slow_seconds:g} s without an answer are waited for"
    return (
        f"Host, scheme and address arrive ({between}); heads of {HEADER_BYTES} and bodies of "
        f"{API_BODY_BYTES} bytes pass{waited if options.slow_seconds else ''}."
    )


def _forwarding(seen: Seen) -> Iterator[Finding]:
    """What the proxy says of the request."""
    told, public = seen.told, urlsplit(settings.PUBLIC_URL)
    different = [
        name for name, mark in probe.settings_seen().items() if told["settings"].get(name) != mark
    ]
    if different:
        yield OTHER_SETTINGS.found(f"the web server has another {', '.join(different)}")
    if told["host"].lower() != public.netloc.lower():
        yield OTHER_HOST.found(f"asked at {public.netloc}, the server was told {told['host']!r}")
    if public.scheme == "https" and not told["secure"]:
        yield NO_SCHEME.found(f"X-Forwarded-Proto arrives as {told['forwarded_proto']!r}")
    if not seen.is_direct:
        yield from _client_address(told)


def _client_address(told: dict[str, Any]) -> Iterator[Finding]:
    peer = told["peer"] or "unix"
    entries = [each.strip() for each in told["forwarded_for"].split(",") if each.strip()]
    if not entries or entries == [FORGED]:
        words = f"the server sees {peer}, and X-Forwarded-For {told['forwarded_for']!r}"
        # Who passes on what clients write and adds nothing is worse than who drops it.
        if entries and told["trusted"]:
            yield FORGEABLE.found(words)
        else:
            yield NO_ADDRESS.found(words)
    elif not told["trusted"]:
        yield NOT_TRUSTED.found(f"the server sees {peer}, which it does not trust", peer=peer)


def _limits(options: Options) -> Iterator[Finding]:
    """What the proxy lets pass, and how long it waits."""
    large_head = _refused(options, headers={"X-Filler": "x" * HEADER_BYTES})
    if large_head:
        yield HEADER_LIMIT.found(f"a header of {HEADER_BYTES} bytes: {large_head}")
    large_body = _refused(options, body=b" " * API_BODY_BYTES)
    if large_body:
        yield BODY_LIMIT.found(f"a body of {API_BODY_BYTES} bytes: {large_body}")
    seconds = options.slow_seconds
    if seconds:
        slow = _refused(options, think=seconds, seconds=seconds + options.answer_seconds)
        if slow:
            yield IMPATIENT.found(f"an answer that takes {seconds:g} seconds: {slow}")


def _refused(options: Options, **request: Any) -> str:
    """How the request ended, where not with the probe's answer."""
    try:
        seen = probed(options, **request)
    except NotReached as fault:
        return fault.words if fault.stage is Stage.ANSWER else f"{fault.stage}: {fault.words}"
    return seen.seen if isinstance(seen, Finding) else ""
