"""Commands of the documentation: each ```sh fence of each page, cut into commands."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>[^\n`]*)\n(?P<body>.*?)^ *```[ \t]*$", re.DOTALL | re.MULTILINE
)
HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
ASSIGNMENT = re.compile(r"(?:export\s+)?(?:[A-Za-z_]\w*=(?:'[^']*'|\"[^\"]*\"|[^\s'\"])*\s*)+")


@dataclass(frozen=True)
class Command:
    """One command, as it is written, without the comment behind it."""

    page: str
    line: int
    text: str

    @property
    def key(self) -> str:
        """What it is called in docs/untried.toml: its first line, lines that go on joined, blanks
        made one."""
        first = re.sub(r"\\\n\s*", "", self.text).split("\n")[0]
        return " ".join(first.split())

    @property
    def is_assignment(self) -> bool:
        """It sets variables and does nothing else."""
        return ASSIGNMENT.fullmatch(self.key) is not None and "$(" not in self.text

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.key}"


@dataclass(frozen=True)
class Fence:
    """A block of commands."""

    page: str
    indent: str
    end: int
    """Where the page goes on behind it."""
    commands: tuple[Command, ...]


def pages() -> list[Path]:
    """README and all of docs/, but for the decisions: they tell of commands of their day."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", *(page for page in docs if page.parent.name != "decisions")]


def kinds(page: Path) -> list[str]:
    """What each fence of a page calls itself."""
    return [found["kind"].strip() for found in FENCE.finditer(page.read_text())]


def fences(page: Path, *, root: Path = ROOT) -> list[Fence]:
    """The page's blocks of commands, in order."""
    text = page.read_text()
    name = page.relative_to(root).as_posix()
    return [
        Fence(
            name,
            found["indent"],
            found.end(),
            tuple(_commands(name, text.count("\n", 0, found.start("body")) + 1, found["body"])),
        )
        for found in FENCE.finditer(text)
        if found["kind"].strip() == "sh"
    ]


def _commands(page: str, first_line: int, body: str) -> Iterator[Command]:
    lines = body.split("\n")
    number = 0
    while number < len(lines):
        start, text = number, _without_comment(lines[number])
        number += 1
        if not text.strip():
            continue
        while text.endswith("\\") and number < len(lines):
            text += "\n" + _without_comment(lines[number])
            number += 1
        if heredoc := HEREDOC.search(text):
            while number < len(lines):
                text += "\n" + lines[number]
                number += 1
                if lines[number - 1].strip() == heredoc[2]:
                    break
        while (_is_open(text) or _goes_on(text)) and not heredoc and number < len(lines):
            text += "\n" + lines[number]
            number += 1
        yield Command(page, first_line + start, _dedented(text))


def _without_comment(line: str) -> str:
    """A `#` in quotes or within a word is none."""
    for found in re.finditer(r"(?:^|(?<=\s))#", line):
        if not _is_open(line[: found.start()]):
            return line[: found.start()].rstrip()
    return line.rstrip()


def _is_open(text: str) -> bool:
    """Whether a quotation mark waits for its second."""
    quote = ""
    escaped = False
    for letter in text:
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
    return bool(quote)


def _goes_on(text: str) -> bool:
    """Whether a loop or a choice waits for its end."""
    begins = re.match(r"\s*(for|while|until|if|case)\b", text)
    if not begins and not re.search(r"(\||&&|\{|\()\s*$", text):
        return False
    done = subprocess.run(["bash", "-n"], input=text.encode(), capture_output=True, check=False)
    return done.returncode != 0


def _dedented(text: str) -> str:
    first, *rest = text.split("\n")
    indent = len(first) - len(first.lstrip())
    return "\n".join(
        [first.lstrip(), *(line[min(indent, len(line) - len(line.lstrip())) :] for line in rest)]
    )
