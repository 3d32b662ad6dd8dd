"""What a run would write, from what is there, what flags say and what a person answers."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from shub.errors import Refusal
from shub.names import check_name, folded
from shub.operations.setup import choices, env_file, hosts, known, signing_in, words
from shub.operations.setup.asking import Asker, Nobody
from shub.operations.setup.choices import Choices
from shub.operations.setup.failures import Refused, Unanswered
from shub.operations.setup.plans import Plan, Request, read_file
from shub.operations.setup.serving import CA, Serving
from shub.operations.setup.writing import ENV, Deployment

HEADER = """\
# The choices of this deployment: docker compose reads them, and so do shub's processes.
# Made by ./setup; change it by ./setup or by hand, then: docker compose up -d --wait
# Any setting of docs/reference/settings.md can stand here. No secrets: those are in secrets/.
"""


class Planner:
    """Makes the plan of one run. Nothing is written by it."""

    def __init__(self, deployment: Deployment, request: Request, asker: Asker) -> None:
        self.deployment = deployment
        self.request = request
        self.asker = asker
        self.text = deployment.read_env()
        self.settings = env_file.read(self.text)
        self.first = "PUBLIC_URL" not in self.settings
        self._set: dict[str, str | None] = {}

    def plan(self) -> Plan:
        before = choices.read(self.settings)
        chosen = self._chosen(before)
        self._answered()
        plan = Plan(chosen, first=self.first)
        plan.warnings += choices.check(chosen)
        plan.ways = self._sign_in(plan)
        self._extra_settings()
        self._tls(plan, before)
        self._words(plan)
        self._secret_files(plan)
        self._answered()
        self._compose_and_env(plan, before)
        plan.kept = sorted(
            path.name
            for path in self.deployment.secrets.glob("[!.]*")
            if path.name not in plan.files
        )
        return plan

    # ── what is chosen ──

    def _chosen(self, before: Choices) -> Choices:
        chosen = choices.check_words(choices.with_flags(before, self.request.chosen))
        asked: dict[str, Any] = {}
        if not chosen.host:
            asked["host"] = self.asker.text(
                "--host",
                "By which name do users reach the registry (as registry.example.org)",
                parse=hosts.parse_host,
            )
        if not chosen.tls:
            asked["tls"] = self.asker.choice(
                "--tls",
                "How is it served by TLS",
                {
                    "own": "you have a certificate for that name",
                    "private-ca": "make an authority here, which users then trust",
                    "letsencrypt": "the name is known to the whole internet, and port 80 is open",
                    "proxy": "a proxy of yours in front ends TLS",
                    "none": "not at all: for a trial",
                },
            )
        if not chosen.administrator:
            asked["administrator"] = self.asker.text(
                "--administrator",
                "The first administrator's sign-in name",
                default="admin",
                parse=check_administrator,
            )
        if self.first and not chosen.email:
            asked["email"] = self.asker.text(
                "--email", "Their e-mail address (may be empty)", default=""
            )
        chosen = choices.with_flags(chosen, asked) if asked.get("host") else _with(chosen, asked)
        if chosen.administrator:
            check_administrator(chosen.administrator)
        return self._with_store(chosen)

    def _with_store(self, chosen: Choices) -> Choices:
        if chosen.apart and not chosen.store_host:
            return _with(
                chosen,
                {
                    "store_host": self.asker.text(
                        "--store-host",
                        "By which name do users reach the store",
                        parse=lambda written: hosts.parse_host(written, "--store-host"),
                    )
                },
            )
        if chosen.store == "external" and not chosen.store_server:
            return _with(
                chosen,
                {
                    "store_server": self.asker.text(
                        "--store-server",
                        "HOST:PORT of the store",
                        parse=lambda written: hosts.parse_server(written, "--store-server"),
                    )
                },
            )
        return chosen

    def _answered(self) -> None:
        if isinstance(self.asker, Nobody) and self.asker.missing:
            raise Unanswered(", ".join(dict.fromkeys(self.asker.missing)))

    # ── signing in ──

    def _sign_in(self, plan: Plan) -> list[str]:
        present = signing_in.current(self.settings)
        written = self.request.sign_in
        if written is None and self.first:
            written = self.asker.choice(
                "--sign-in",
                "How do people sign in, beside a password here",
                {
                    signing_in.LOCAL: "by a password here only",
                    **{name: way.title for name, way in signing_in.WAYS.items()},
                },
                default=signing_in.LOCAL,
            )
        ways = present if written is None else signing_in.parse(written)
        kept_prefixes = {signing_in.WAYS[name].prefix for name in ways}
        for name in present:
            way = signing_in.WAYS[name]
            if way.prefix not in kept_prefixes:
                self._set |= {
                    setting: None for setting in self.settings if setting.startswith(way.prefix)
                }
        for name in ways:
            self._way(name, plan, new=name not in present)
        return ways

    def _way(self, name: str, plan: Plan, *, new: bool) -> None:
        way = signing_in.WAYS[name]
        for setting, question in way.asked.items():
            if setting in self.request.settings or (not new and setting in self.settings):
                continue
            value = self.asker.text(f"--set {setting}=…", question, default=way.preset.get(setting))
            if value or setting in way.preset:
                self._set[setting] = value or None
        if way.secret and not self._has_secret(way.secret):
            found = self.asker.hidden(
                f"--secret {way.secret}=FILE", f"The secret that goes with it ({way.secret})"
            )
            if found:
                plan.files[way.secret.lower()] = f"{found}\n"
        if new and way.by_word and signing_in.BY_WORD not in self.request.settings:
            self._by_word(way)

    def _by_word(self, way: signing_in.Way) -> None:
        if self.asker.agrees(
            f"Does everybody whom {way.title.partition(':')[0]} knows get an account here"
        ):
            present = self._set.get(signing_in.BY_WORD) or self.settings.get(
                signing_in.BY_WORD, "ldap"
            )
            self._set[signing_in.BY_WORD] = f"{present},{way.by_word}"

    def _has_secret(self, setting: str) -> bool:
        return setting in self.request.secret_files or self.deployment.has(setting.lower())

    def _extra_settings(self) -> None:
        for name, value in self.request.settings.items():
            if name in known.secrets():
                raise Refused(
                    f"--set {name}: it is a secret, which .env does not hold: write it into a file "
                    f"and give that by --secret {name}=FILE."
                )
            if name not in known.settings():
                raise Refused(
                    f"--set {name}: there is no such setting (docs/reference/settings.md)."
                )
            self._set[name] = value

    # ── files ──

    def _tls(self, plan: Plan, before: Choices) -> None:
        Serving(self.deployment, self.request, self.asker, plan, before).prepare()

    def _words(self, plan: Plan) -> None:
        renew = set(self.request.renew)
        unknown = renew - set(words.WORDS) - {"tls", "ca"}
        if unknown:
            raise Refused(
                f"--renew: there is no {', '.join(sorted(unknown))}; there are "
                f"{', '.join(words.WORDS)}, tls and ca."
            )
        given = {name for name in self.request.secret_files if name in words.WORDS}
        for name, word in words.WORDS.items():
            if name in given or (self.deployment.read(name) and name not in renew):
                continue
            if name in self._foreign(plan):
                self._foreign_key(name, plan)
                continue
            plan.files[name] = f"{word.make()}\n"
            if not self.first and name not in renew:
                # A run that was killed leaves no gap: somebody has taken it away.
                plan.told.append(f"secrets/{name} was not there, and is new. {word.after}")
            if self.deployment.has(name) and name in renew:
                plan.told.append(f"secrets/{name} is new. {word.after}")
                plan.asked_for.add(name)
        self._garage(plan)
        self._database_url(plan)

    def _foreign(self, plan: Plan) -> tuple[str, ...]:
        """Keys that somebody else's store has given."""
        return words.STORE_KEYS + words.UPLOAD_KEYS if plan.choices.store == "external" else ()

    def _foreign_key(self, name: str, plan: Plan) -> None:
        if name in self.request.renew:
            raise Refused(f"--renew {name}: the store gives its keys: --secret {name}=FILE.")
        if self.deployment.has(name):
            return
        if name in words.UPLOAD_KEYS:
            # An empty one is none: stores that refuse unsigned headers need no such user.
            plan.files[name] = ""
            return
        found = self.asker.hidden(f"--secret {name}=FILE", f"The store's key ({name})")
        if found:
            plan.files[name] = f"{found}\n"

    def _garage(self, plan: Plan) -> None:
        if plan.choices.store != "garage":
            return
        user, password = (self._coming(name, plan) for name in words.STORE_KEYS)
        if not words.are_garage_keys(user, password):
            plan.files |= {name: f"{key}\n" for name, key in words.garage_keys().items()}

    def _database_url(self, plan: Plan) -> None:
        """Follow the password, where the address is that of the deployment's own Postgres."""
        name = words.DATABASE_URL
        present = self.deployment.read(name)
        url = words.database_url(self._coming(words.POSTGRES_PASSWORD, plan))
        if name in self.request.secret_files or present == url:
            return
        if not present or present.endswith("@db:5432/shub"):
            plan.files[name] = f"{url}\n"
            # It says nothing that the password does not.
            plan.asked_for.add(name)

    def _coming(self, name: str, plan: Plan) -> str:
        """A secret as it will be."""
        if name in plan.files:
            return plan.files[name].strip()
        if name in self.request.secret_files:
            return read_file(self.request.secret_files[name], f"--secret {name}").strip()
        return self.deployment.read(name)

    def _secret_files(self, plan: Plan) -> None:
        for name, path in self.request.secret_files.items():
            if name not in known.secrets() | set(words.WORDS) | {words.DATABASE_URL}:
                raise Refused(f"--secret {name}: there is no such secret.")
            text = read_file(path, f"--secret {name}").strip()
            if not text:
                raise Refused(f"--secret {name}: {path} is empty.")
            if name == words.ADMINISTRATOR_PASSWORD:
                check_password(text)
            if self.deployment.read(name.lower()) != text:
                plan.files[name.lower()] = f"{text}\n"

    def _compose_and_env(self, plan: Plan, before: Choices) -> None:
        extra = self._extra_secrets(plan)
        name = "compose.yml"
        if extra:
            text = compose_of(extra)
            if self.deployment.read(name) != text.strip():
                plan.files[name] = text
                # It follows from files that are told of.
                plan.asked_for.add(name)
        wanted = choices.lines(plan.choices)
        was = choices.lines(before) if not self.first else {}
        # What follows from no change is left as somebody may have written it.
        values: dict[str, str | None] = {
            key: value
            for key, value in wanted.items()
            if key not in self.settings or was.get(key) != value
        }
        values |= {key: None for key in was if key not in wanted and key in self.settings}
        present = self.settings.get("COMPOSE_FILE", "")
        values["COMPOSE_FILE"] = choices.compose_files(
            plan.choices, extra_secrets=bool(extra), present=present
        )
        values |= self._further_lines(plan, before) | self._set
        values = {key: value for key, value in values.items() if self.settings.get(key) != value}
        self._sort(plan, values)
        if values:
            plan.files[ENV] = env_file.changed(self.text or HEADER, values)

    def _extra_secrets(self, plan: Plan) -> dict[str, str]:
        """Further secrets' files, and the setting that each is for."""
        gone = {
            signing_in.WAYS[name].secret
            for name in signing_in.current(self.settings)
            if name not in plan.ways
        } - {signing_in.WAYS[name].secret for name in plan.ways}
        found = {}
        for setting in sorted(known.secrets() - gone):
            name = setting.lower()
            if name in words.WORDS or name == words.DATABASE_URL:
                continue
            if name in plan.files or self.deployment.has(name):
                found[name] = setting
        return found

    def _further_lines(self, plan: Plan, before: Choices) -> dict[str, str | None]:
        """What `.env` has beside the choices: the authority for the containers, parts to build."""
        found: dict[str, str | None] = {}
        ours = f"./secrets/{CA}"
        if CA in plan.files or self.request.authority or plan.choices.tls == "private-ca":
            found["SHUB_CA_FILE"] = ours
        elif before.tls != plan.choices.tls and self.settings.get("SHUB_CA_FILE") == ours:
            # One that signed what was served before has no say in what is served now.
            found["SHUB_CA_FILE"] = None
        # python-ldap is compiled into the image where it is asked for.
        if {"ldap", "active-directory"} & set(plan.ways):
            found["SHUB_EXTRAS"] = "saml ldap"
            if self.settings.get("SHUB_EXTRAS") != found["SHUB_EXTRAS"]:
                plan.after.append("For the image to have what LDAP takes: docker compose build")
        return found

    def _sort(self, plan: Plan, values: Mapping[str, str | None]) -> None:
        """Tell what is made apart from what is changed."""
        for name in plan.files:
            if not self.deployment.has(name):
                plan.made.append(f"secrets/{name}")
            elif name not in plan.asked_for:
                plan.changed.append(f"secrets/{name}: another one")
        if not self.text:
            plan.made.insert(0, ENV)
            return
        for key, value in values.items():
            present = self.settings.get(key)
            if present is None:
                plan.made.append(f".env: {key}={value}")
            else:
                plan.changed.append(f".env: {key}: {present or 'nothing'} → {value or 'nothing'}")


def _with(chosen: Choices, given: Mapping[str, Any]) -> Choices:
    return choices.with_flags(chosen, {name: value for name, value in given.items() if value})


def check_administrator(name: str) -> str:
    """The sign-in name, which is also, in lower case, the name of an entity."""
    try:
        check_name(folded(name), "entity")
    except Refusal as refusal:
        raise Refused(f"--administrator: {refusal.message}") from None
    return name


def check_password(password: str) -> None:
    """Refused where the site would not take it at the first start."""
    try:
        validate_password(password)
    except ValidationError as error:
        raise Refused(f"The administrator's password: {' '.join(error.messages)}") from None


def compose_of(extra: Mapping[str, str]) -> str:
    """The compose file that hands further secrets to shub's processes."""
    lines = [
        "# Made by ./setup: the secrets of this deployment beside those of docker-compose.yml.",
        "# A file in this folder that is called like a secret setting, in lower case, is one.",
        "services:",
    ]
    for service in ("prepare", "web", "sweep"):
        lines += [f"  {service}:", "    secrets:", *(f"      - {name}" for name in extra)]
        lines.append("    environment:")
        lines += [f"      {setting}_FILE: /run/secrets/{name}" for name, setting in extra.items()]
    lines.append("secrets:")
    for name in extra:
        lines += [f"  {name}:", f"    file: ./secrets/{name}"]
    return "\n".join(lines) + "\n"
