"""The table of docs/reference/metrics.md, from the code."""

from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/reference/metrics.md"
BEGIN, END = "<!-- from the code -->\n", "<!-- to here -->\n"


def described() -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Of each metric, by the name it is asked for: kind, labels and meaning."""
    from shub import metrics
    from shub.operations import scraping

    found = {}
    for collector in dict.fromkeys(metrics.REGISTRY._names_to_collectors.values()):
        (family,) = collector.describe()
        labels = tuple(collector._labelnames)
        if family.name in metrics.SWEPT:
            labels += ("process",)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, labels, family.documentation)
    for family in [*scraping.of_the_moment(), *scraping.as_counted(), *scraping.of_this_server(1)]:
        labels = tuple(family.samples[0].labels)
        found[family.name] = (family.type, labels, family.documentation)
    return found


def written() -> str:
    """The table."""
    lines = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    for name, (kind, labels, meaning) in described().items():
        told = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{name}` | {kind} | {told} | {meaning} |")
    return "\n".join(lines) + "\n"


def on_page() -> str:
    """The table that the page has."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
