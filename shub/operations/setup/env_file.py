"""`.env` as docker compose reads it: lines of NAME=VALUE; everything else in it is left alone."""

import re
from collections.abc import Mapping

from shub.operations.setup.failures import Refused

_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")
_PLAIN = re.compile(r"^[A-Za-z0-9_./:,@%+=?&~-]*$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ESCAPED = re.compile(r"\\(.)")


def read(text: str) -> dict[str, str]:
    """The values by their names; the last line of a name counts.

    >>> read("# a\\nPUBLIC_URL=https://a.example\\nREGISTRY_NAME='Our images'  # ours\\n")
    {'PUBLIC_URL': 'https://a.example', 'REGISTRY_NAME': 'Our images'}
    """
    found = {}
    for line in text.splitlines():
        if matched := _LINE.match(line):
            found[matched[1]] = _value(matched[2])
    return found


def changed(text: str, values: Mapping[str, str | None]) -> str:
    """The text with these values: each in its line, new ones at the end; None takes a line away.

    >>> changed("# mine\\nA=1\\nB=2\\n", {"A": "3", "B": None, "C": "it is"})
    "# mine\\nA=3\\nC='it is'\\n"
    """
    lines = []
    left = dict(values)
    for line in text.splitlines():
        matched = _LINE.match(line)
        if not matched or matched[1] not in values:
            lines.append(line)
            continue
        # Of a name that is there twice, one line is kept.
        value = left.pop(matched[1], None)
        if value is not None:
            lines.append(f"{matched[1]}={written(value)}")
    lines += [f"{name}={written(value)}" for name, value in left.items() if value is not None]
    return "\n".join(lines) + "\n" if lines else ""


def written(value: str) -> str:
    """The value as compose and a shell read it back: bare, or in quotes that nothing opens.

    >>> written("https://a.example"), written("a b"), written("it's $5")
    ('https://a.example', "'a b'", '"it\\'s \\\\$5"')
    """
    # Some are ends of lines to Python: what comes after one would be a setting in the next run.
    if _CONTROL.search(value):
        raise Refused("A value in .env has one line, without control characters.")
    if _PLAIN.match(value):
        return value
    if "'" not in value and "\\" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'


def _value(raw: str) -> str:
    if raw.startswith("'"):
        return raw[1:].partition("'")[0]
    if raw.startswith('"'):
        inside = re.match(r'"((?:[^"\\]|\\.)*)"', raw)
        return _ESCAPED.sub(r"\1", inside[1]) if inside else raw[1:]
    # Unquoted, a comment begins after a blank.
    return re.split(r"\s#", raw)[0].strip()
