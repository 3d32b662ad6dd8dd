"""The reference page says what doctor can say, and has a row for each fault that was set up."""

import re

from shub.operations.doctor.checks import CHECKS
from shub.operations.doctor.finding import DIAGNOSES
from tests.clients.live import PROJECT
from tests.doctor.table import CASES, MARKS, PAGE, diagnoses

TROUBLESHOOTING = PROJECT / "docs" / "how-to" / "troubleshooting.md"


def between(name: str) -> list[str]:
    """The lines of the table of this name."""
    begin, end = MARKS[name]
    return PAGE.read_text().partition(begin)[2].partition(end)[0].strip().splitlines()


def test_the_page_has_every_diagnosis_in_the_words_of_the_code() -> None:
    assert between("diagnoses") == diagnoses(), "python -m tests.doctor.table --words"


def test_the_table_has_each_fault_with_what_doctor_says() -> None:
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in between("faults")[2:]]
    assert [fault.strip() for fault, _, _ in rows] == [case.fault for case in CASES]
    for (_, said, told), case in zip(rows, CASES, strict=True):
        assert said.strip(), case.fault
        codes = re.findall(r"`([a-z-]+)`", told)
        assert codes[: len(case.codes)] == list(case.codes), case.fault
        assert set(codes) <= set(DIAGNOSES), case.fault


def test_the_page_has_every_check() -> None:
    rows = re.findall(r"^\| `([a-z][a-z-]+)` \| ", PAGE.read_text(), re.MULTILINE)
    assert rows[: len(CHECKS)] == [check.name for check in CHECKS]


def test_what_troubleshooting_says_of_doctor_is_so() -> None:
    text = TROUBLESHOOTING.read_text()
    table = text.partition("| symptom | doctor's check |")[2]
    rows = [line.split(" | ") for line in table.splitlines()[2:] if line.startswith("|")]
    assert len(rows) > 10
    for _, checks, codes in rows:
        assert set(re.findall(r"`([a-z-]+)`", checks)) <= {check.name for check in CHECKS}
        assert set(re.findall(r"`([a-z-]+)`", codes)) <= set(DIAGNOSES)
    for code in re.findall(r"doctor's check `[a-z-]+` says `([a-z-]+)`", text):
        assert code in DIAGNOSES
