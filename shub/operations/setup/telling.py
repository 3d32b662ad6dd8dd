"""What is said at the end: what was made, what stayed, and what to do now."""

from collections.abc import Iterator

from shub.operations.setup import certificates, signing_in, words
from shub.operations.setup.plans import Plan
from shub.operations.setup.writing import CA_KEY, Deployment

START = "docker compose up -d --wait"


def told(plan: Plan, deployment: Deployment) -> Iterator[str]:
    """The lines for a terminal or a log. No secret is among them."""
    if plan.made:
        yield f"Made: {', '.join(plan.made)}."
    for change in plan.changed:
        yield f"Changed: {change}."
    yield from plan.told
    if not plan.files:
        yield "Nothing is new: everything was there, and stays as it was."
    if plan.kept:
        yield f"Kept in secrets/: {', '.join(plan.kept)}."
    if "ca.crt" in plan.files and plan.choices.tls == "private-ca":
        yield from _authority(plan, deployment)
    if plan.first or plan.changed:
        yield from _callbacks(plan)
    if plan.first and words.ADMINISTRATOR_PASSWORD in plan.files:
        yield (
            f"The first password of {plan.choices.administrator} is in "
            f"secrets/{words.ADMINISTRATOR_PASSWORD}."
        )
    yield from dict.fromkeys(plan.after)
    if plan.first or (plan.files and not plan.after and not plan.told):
        yield f"Next: {START}"
    if plan.first:
        yield f"Then open {plan.choices.public_url}/ and sign in as {plan.choices.administrator}."


def _authority(plan: Plan, deployment: Deployment) -> Iterator[str]:
    text = deployment.read("ca.crt")
    name = f"{plan.choices.host}.crt"
    yield f"""
Users have to trust the authority once. Give them secrets/ca.crt, and its fingerprint another way:
  {certificates.fingerprint(text)}
Debian, Ubuntu:
  sudo cp ca.crt /usr/local/share/ca-certificates/{name} && sudo update-ca-certificates
RHEL, Rocky, Fedora:
  sudo cp ca.crt /etc/pki/ca-trust/source/anchors/{name} && sudo update-ca-trust
without root (this authority alone is trusted then):
  export SSL_CERT_FILE=$HOME/{name}
Apptainer and Singularity go by the system's list; browsers: docs/how-to/tls.md.
It is good until {certificates.expires_at(text):%Y-%m-%d}; the server's certificate until \
{certificates.expires_at(deployment.read("tls.crt")):%Y-%m-%d} (then: ./setup --renew tls).
Whoever has secrets/{CA_KEY} can pose as hosts of these names; it is needed for renewals only, and
may lie elsewhere until then.
"""


def _callbacks(plan: Plan) -> Iterator[str]:
    for name in plan.ways:
        way = signing_in.WAYS[name]
        if way.callback:
            yield (
                f"Register at {way.title.partition(':')[0]} this redirect address: "
                f"{plan.choices.public_url}{way.callback}"
            )
