"""The reference of the settings, made from what declares them: shub/settings/*.py.

    python -m tests.docs.settings_reference

A setting is a call of `env`. Its kind and its default stand in the call; what it means is the
comment above it: lines that begin with `#:` are for the reader of the reference; where there are
none, those with a `#`. Settings on the lines below, without a comment of their own, share
its row. A divider `# ── title ──` begins a section.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.fences import ROOT

PAGE = ROOT / "docs/reference/settings.md"
FOLDER = ROOT / "shub/settings"

BEGIN = "<!-- made by `make settings` from shub/settings: change the comments there -->"

# The order of the page, and what each module is called there. What is not named comes last.
TITLES = {
    "registry": "The registry",
    "django": "The server",
    "web_server": "The web server",
    "watching": "Logs and metrics",
    "hardening": "Browsers",
    "limits": "Limits, and who a client is",
    "storage": "Bytes",
    "accounts": "Passwords",
    "signin": "Signing in",
    "directory": "LDAP and Active Directory",
    "mail": "Mail",
}

# What is read before a section.
SEE = {
    "limits": "[What they limit](../how-to/limits.md).",
    "signin": (
        "How-to pages: [accounts and registration](../how-to/sign-in-local.md), "
        "[OpenID Connect](../how-to/sign-in-oidc.md), [GitHub](../how-to/sign-in-github.md), "
        "[GitLab](../how-to/sign-in-gitlab.md), [ORCID](../how-to/sign-in-orcid.md), "
        "[SAML](../how-to/sign-in-saml.md), [second factor](../how-to/sign-in-second-factor.md)."
    ),
    "directory": "[How](../how-to/sign-in-ldap.md).",
    "storage": (
        "The names and meanings that sregistry gave these are kept. "
        "[A store of your own](../how-to/own-postgres-and-store.md)."
    ),
}

KINDS = {
    "text": "text",
    "choice": "a word",
    "integer": "number",
    "boolean": "yes or no",
    "secret": "secret",
    "listing": "list",
    "pairs": "pairs",
    "rate": "rate",
    "networks": "networks",
}

DIVIDER = re.compile(r"^# ── (.+?) ──$")


@dataclass
class Setting:
    """One or several that share a comment."""

    names: list[str]
    kinds: list[str]
    defaults: list[str]
    meaning: str
    line: int
    """Where the last of them ends."""

    def take(self, names: list[str], kind: str, default: str, line: int) -> None:
        """One more, with all the names that it is read by."""
        self.names += names
        self.kinds.append(kind)
        self.defaults.append(default)
        self.line = line


@dataclass
class Section:
    """Settings below one heading."""

    title: str
    settings: list[Setting] = field(default_factory=list)


class Undocumented(Exception):
    """A setting without a comment."""


def sections(module: Path) -> list[Section]:
    """The module's settings, in order; the first section has no title of its own."""
    text = module.read_text()
    lines = text.splitlines()
    dividers = {
        number: found[1] for number, line in enumerate(lines, 1) if (found := DIVIDER.match(line))
    }
    known: dict[str, str] = {}
    made = [Section("")]
    for call, default in declared(ast.parse(text)):
        names, kind = names_of(call), kind_of(call)
        shown = shown_default(default, known)
        known |= dict.fromkeys(names, shown)
        before = [at for at in dividers if at < call.lineno]
        title = dividers[before[-1]] if before else ""
        if title != made[-1].title:
            made.append(Section(title))
        comment = comment_above(lines, call.lineno)
        if not comment:
            if not (made[-1].settings and follows(lines, made[-1].settings[-1], call)):
                raise Undocumented(f"{module.name}:{call.lineno}: {names[0]} has no comment.")
        else:
            made[-1].settings.append(Setting([], [], [], comment, 0))
        made[-1].settings[-1].take(names, kind, shown, call.end_lineno or call.lineno)
    return [section for section in made if section.settings]


def declared(tree: ast.Module) -> Iterator[tuple[ast.Call, ast.expr | None]]:
    """Each call of `env` that reads a setting, and its default, in the order of the text."""
    alternatives: dict[ast.Call, ast.expr] = {}
    calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            first = node.values[0]
            if isinstance(first, ast.Call):
                alternatives[first] = node.values[1]
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "env"
            and node.func.attr in KINDS
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            calls.append(node)
    for call in sorted(calls, key=lambda each: (each.lineno, each.col_offset)):
        yield call, alternatives.get(call) or default_of(call)


def default_of(call: ast.Call) -> ast.expr | None:
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr == "choice":
        assert isinstance(call.args[1], ast.List | ast.Tuple)
        return call.args[1].elts[0]
    if call.func.attr in {"text", "integer", "boolean", "rate"} and len(call.args) > 1:
        return call.args[1]
    return None


def names_of(call: ast.Call) -> list[str]:
    """Its name; of a secret, all that are looked for."""
    assert isinstance(call.func, ast.Attribute)
    counted = call.args if call.func.attr == "secret" else call.args[:1]
    return [str(each.value) for each in counted if isinstance(each, ast.Constant)]


def kind_of(call: ast.Call) -> str:
    """In a few words: what may stand there."""
    assert isinstance(call.func, ast.Attribute)
    kind = KINDS[call.func.attr]
    if call.func.attr == "choice":
        choices = call.args[1]
        assert isinstance(choices, ast.List | ast.Tuple)
        return " or ".join(f"`{value(each, {})}`" for each in choices.elts)
    bounds = {each.arg: each.value for each in call.keywords}
    if call.func.attr == "integer":
        # Where a bound is named, its name's value is no matter of this module's text.
        least = bounds.get("minimum")
        if isinstance(least, ast.Constant) and least.value:
            return f"{kind}, {least.value} or more"
    return kind


def value(node: ast.expr, known: dict[str, str]) -> str:
    """A constant expression as text."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            return "true" if node.value else "false"
        return "" if node.value is None else str(node.value)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.List):
        return ",".join(value(each, known) for each in node.elts)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            known.get(value(each.value, known), "").strip("`")
            if isinstance(each, ast.FormattedValue)
            else value(each, known)
            for each in node.values
        )
    if isinstance(node, ast.BinOp):
        return str(eval(ast.unparse(node), {"__builtins__": {}}))
    raise ValueError(f"{ast.unparse(node)} is no default that the reference can show.")


def shown_default(node: ast.expr | None, known: dict[str, str]) -> str:
    if node is None:
        return ""
    shown = value(node, known)
    return f"`{shown}`" if shown else ""


def comment_above(lines: list[str], number: int) -> str:
    """The comment that ends directly above the line, or above the statement that it is in."""
    at = number - 2
    while at >= 0 and lines[at].strip() and not lines[at].lstrip().startswith("#"):
        # Within a statement: up to the line that begins it.
        if not lines[at + 1].startswith((" ", ")", "]", "}")):
            break
        at -= 1
    block = []
    while at >= 0 and lines[at].lstrip().startswith("#") and not DIVIDER.match(lines[at].strip()):
        block.insert(0, lines[at].strip())
        at -= 1
    for_readers = [line.removeprefix("#:").strip() for line in block if line.startswith("#:")]
    return " ".join(for_readers or [line.removeprefix("#").strip() for line in block])


def follows(lines: list[str], last: Setting, call: ast.Call) -> bool:
    """Whether nothing but declarations lies between the two."""
    return all(line.strip() for line in lines[last.line : call.lineno - 1])


def row(setting: Setting) -> str:
    """A line of the table."""
    names = ", ".join(f"`{name}`" for name in setting.names)
    kinds = ", ".join(dict.fromkeys(setting.kinds))
    defaults = ", ".join(dict.fromkeys(setting.defaults)) if any(setting.defaults) else ""
    meaning = setting.meaning.replace("|", "\\|")
    return f"| {names} | {kinds} | {defaults} | {meaning} |".replace("|  |", "| |")


def page() -> str:
    """The whole of it: what stands above the mark is written by hand."""
    text = PAGE.read_text()
    head = text[: text.index(BEGIN)] if BEGIN in text else text
    modules = {path.stem: path for path in FOLDER.glob("*.py")}
    order = [*TITLES, *sorted(modules.keys() - TITLES.keys() - {"__init__", "env"})]
    made = [head + BEGIN]
    for name in order:
        found = sections(modules[name]) if name in modules else []
        if not found:
            continue
        made.append(f"\n## {TITLES.get(name, name.capitalize())}\n")
        if name in SEE:
            made.append(f"{SEE[name]}\n")
        for section in found:
            if section.title:
                made.append(f"### {section.title[0].upper()}{section.title[1:]}\n")
            made.append("| setting | kind | default | meaning |\n| --- | --- | --- | --- |")
            made.extend(map(row, section.settings))
            made.append("")
        made.pop()
    return "\n".join(made) + "\n"


def main() -> None:
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
