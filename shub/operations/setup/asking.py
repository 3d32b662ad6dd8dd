"""Who answers: a person at a terminal, or nobody."""

import getpass
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from shub.operations.setup.failures import Refused


class Asker(Protocol):
    """Answers questions; `flag` is what would have answered without one."""

    def text(
        self,
        flag: str,
        question: str,
        *,
        default: str | None = None,
        parse: Callable[[str], Any] = str,
    ) -> Any: ...

    def choice(
        self, flag: str, question: str, options: Mapping[str, str], *, default: str | None = None
    ) -> str: ...

    def hidden(self, flag: str, question: str) -> str: ...

    def agrees(self, question: str) -> bool: ...


class Terminal:
    """A person. What cannot be is said, and asked again."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell

    def text(
        self,
        flag: str,
        question: str,
        *,
        default: str | None = None,
        parse: Callable[[str], Any] = str,
    ) -> Any:
        shown = f" [{default}]" if default else ""
        while True:
            written = input(f"{question}{shown}: ").strip() or default
            if written is None:
                continue
            try:
                return parse(written)
            except Refused as refused:
                self._tell(f"  {refused}")

    def choice(
        self, flag: str, question: str, options: Mapping[str, str], *, default: str | None = None
    ) -> str:
        self._tell(f"{question}:")
        words = list(options)
        for number, (word, meaning) in enumerate(options.items(), 1):
            self._tell(f"  {number}  {word:<16} {meaning}")
        shown = f" [{default}]" if default else ""
        while True:
            written = input(f"Number or word{shown}: ").strip() or default or ""
            if written in options:
                return written
            if written.isdigit() and 0 < int(written) <= len(words):
                return words[int(written) - 1]

    def hidden(self, flag: str, question: str) -> str:
        return getpass.getpass(f"{question}: ").strip()

    def agrees(self, question: str) -> bool:
        return input(f"{question} [y/N]: ").strip().lower() in {"y", "yes"}


class Nobody:
    """No terminal: defaults stand, and what has none is noted by its flag."""

    def __init__(self) -> None:
        self.missing: list[str] = []

    def text(
        self,
        flag: str,
        question: str,
        *,
        default: str | None = None,
        parse: Callable[[str], Any] = str,
    ) -> Any:
        if default is not None:
            return default
        self.missing.append(flag)
        return ""

    def choice(
        self, flag: str, question: str, options: Mapping[str, str], *, default: str | None = None
    ) -> str:
        if default is None:
            self.missing.append(f"{flag} {'|'.join(options)}")
        return default or ""

    def hidden(self, flag: str, question: str) -> str:
        self.missing.append(flag)
        return ""

    def agrees(self, question: str) -> bool:
        return False
