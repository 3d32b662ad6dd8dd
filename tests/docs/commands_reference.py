"""The reference of the commands, made from what reads their words: docs/reference/commands.md.

python -m tests.docs.commands_reference
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator

import django
from django.core.management import get_commands, load_command_class

from tests.docs.fences import ROOT

PAGE = ROOT / "docs/reference/commands.md"

BEGIN = "<!-- made by `make commands` from the commands: change their `help` -->"

# Every Django command has these.
DJANGOS_OWN = {
    *("help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color"),
    *("force_color", "skip_checks"),
}


def page() -> str:
    """The whole of it: what stands above the mark is written by hand."""
    text = PAGE.read_text()
    made = [text[: text.index(BEGIN)] + BEGIN]
    for name, app in sorted(get_commands().items()):
        if str(app).startswith("shub"):
            command = load_command_class(app, name)
            parser = command.create_parser("manage.py", name)
            made.append(f"\n## {name}\n\n{prose(command.help)}\n")
            made.extend(arguments(parser, name))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(made)).rstrip() + "\n"


def arguments(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    """What it is given, and below that what each of its acts is."""
    acts = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    own = [each for each in parser._actions if each.dest not in DJANGOS_OWN and each not in acts]
    if own:
        yield "| word | means |\n| --- | --- |"
        yield from (f"| {written(each)} | {prose(each.help or '', each)} |" for each in own)
        yield ""
    for each in acts:
        helps = {choice.dest: choice.help or "" for choice in each._choices_actions}
        for act, below in each.choices.items():
            yield f"`{name} {act}`: {prose(helps.get(act, ''))}\n"
            yield from arguments(below, f"{name} {act}")


def written(action: argparse.Action) -> str:
    """As one types it."""
    if action.option_strings:
        word = max(action.option_strings, key=len)
        value = action.metavar or action.dest.upper()
        text = word if action.nargs == 0 else f"{word} {value}"
        return f"`{text}`" + (" (needed)" if action.required else "")
    choices = action.choices if action.metavar is None or action.nargs is None else None
    word = str(action.metavar or action.dest)
    if choices and action.metavar is None:
        word = "|".join(map(str, choices)).replace("|", "\\|")
    if action.nargs in {"+", "*"}:
        word = f"{word} …"
    return f"`[{word}]`" if action.nargs in {"?", "*"} else f"`{word}`"


def prose(text: str, action: argparse.Action | None = None) -> str:
    """What is said of it, with its default; fit for a cell of a table."""
    if action is not None:
        default = "" if action.default is None else action.default
        text = text.replace("%(default)s", f"`{default}`").replace("%%", "%")
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
