"""One line that changes on a terminal, and plain ones in a pipe."""

import io

import pytest

from shub.operations import progress_line
from shub.operations.progress_line import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_that_changes_and_a_pipe_gets_plain_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress_line, "LINE_SECONDS", 0)
    monkeypatch.setattr(progress_line, "TERMINAL_SECONDS", 0)
    for out in (Terminal(), io.StringIO()):
        progress = ProgressLine(out)
        progress.begin("Objects", 4000, in_bytes=True, objects=2)
        progress.advance(1000)
        progress.advance(objects=1)
        progress.finish()
        said = out.getvalue()
        assert "25%, 1 of 2 objects, 1 kB of 4 kB" in said
        assert ("\r" in said) is ("[######" in said) is out.isatty()
        assert said.endswith("\n")


def test_a_bar_says_rate_and_time_left() -> None:
    out = Terminal()
    progress = ProgressLine(out)
    progress.begin("Bytes", 10 * 1024**2, in_bytes=True)
    progress._said_at -= 1
    progress._begun -= 10
    progress.advance(5 * 1024**2)
    assert "Bytes: [############............]  50%" in out.getvalue()
    assert "10 s left" in out.getvalue() or "9 s left" in out.getvalue()


def test_what_is_done_says_no_time_left() -> None:
    progress = ProgressLine(io.StringIO())
    progress.begin("Objects", 2000, in_bytes=True, objects=2)
    progress.advance(2000, objects=2)
    assert str(progress) == "Objects: 100%, 2 of 2 objects, 2 kB of 2 kB"


def test_what_is_noted_stands_on_a_line_of_its_own_and_the_end_clears_the_bar() -> None:
    out = Terminal()
    progress = ProgressLine(out)
    progress.note("The store is away.")
    progress.end()
    assert out.getvalue() == "\r\x1b[KThe store is away.\n\r\x1b[K"
