"""How Sphinx makes pages of the Markdown in this folder: `make docs` → build/docs.

The pages are written for a forge first, where links are paths. What only Sphinx needs is here and
in _theme: which page stands where in the navigation, and how it looks. Nothing is fetched, neither
when it is built nor when it is read.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent

project = "shub"
html_title = "shub"
root_doc = "README"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_theme"]
nitpicky = True

# Links of the kind `page.md#heading`, as a forge makes them.
myst_heading_anchors = 4
myst_enable_extensions = ["html_image"]

html_theme_path = ["."]
html_theme = "_theme"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_use_index = False
html_permalinks = False
html_search_language = "en"
pygments_style = "bw"
highlight_language = "none"
# A terminal's words are no program.
highlight_options = {"default": {"stripall": False}}
smartquotes = False
# A language that it does not know, as a forge may (mermaid), is shown as it is written.
suppress_warnings = ["misc.highlighting_failure"]

# The navigation, by what a reader is there for (Diátaxis). A page of one of the folders is in it by
# itself.
FOLDERS = {
    "Tutorial": "tutorial",
    "How to": "how-to",
    "Reference": "reference",
    "Explanation": "explanation",
    "Decisions": "decisions",
}

# Pages that are found by their names, and read first.
FIRST = {
    "how-to": ["quickstart", "install", "connect-a-client", "troubleshooting"],
    "explanation": ["architecture", "life-of-bytes"],
    "decisions": ["README"],
}


# A link by path to a Markdown file, up from the page.
OUTSIDE = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<path>\.\./[^)#\s]*\.md)(#[^)]*)?\)")


def navigation() -> str:
    """Hidden tables of contents, which the first page does not show on a forge."""
    made = []
    for title, folder in FOLDERS.items():
        there = sorted(page.stem for page in (HERE / folder).glob("*.md"))
        first = [name for name in FIRST.get(folder, []) if name in there]
        names = [*first, *(name for name in there if name not in first)]
        entries = "\n".join(f"{folder}/{name}" for name in names)
        made.append(
            f"```{{toctree}}\n:hidden:\n:caption: {title}\n:maxdepth: 1\n\n{entries}\n```\n"
        )
    return "\n".join(made)


def name_what_lies_outside(app: Sphinx, docname: str, content: list[str]) -> None:
    """A link to Markdown beside this folder leads somewhere on a forge only: here it is named."""
    page = HERE / f"{docname}.md"

    def named(found: re.Match[str]) -> str:
        target = (page.parent / found["path"]).resolve()
        if target.is_relative_to(HERE) or not target.is_file():
            return found[0]
        return f"{found['text']} (`{target.relative_to(HERE.parent)}`)"

    content[0] = OUTSIDE.sub(named, content[0])


def add_navigation(app: Sphinx, docname: str, content: list[str]) -> None:
    """Behind the first page's own text."""
    if docname == root_doc:
        content[0] += "\n\n" + navigation()


def add_index(app: Sphinx, failed: Exception | None) -> None:
    """`build/docs/` opens by itself: the first page is called README there, as on a forge."""
    if failed is None and app.builder.format == "html":
        Path(app.outdir, "index.html").write_text(
            '<!DOCTYPE html><meta charset="utf-8"><title>shub</title>'
            '<meta http-equiv="refresh" content="0; url=README.html">'
            '<a href="README.html">Documentation</a>\n'
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", name_what_lies_outside)
    app.connect("source-read", add_navigation)
    app.connect("build-finished", add_index)
    return {"parallel_read_safe": True}
