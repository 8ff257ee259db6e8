"""The text of a file and the headings in it: Markdown and plain text as written, HTML and PDF as they read.

What a page would run or hide (scripts, styles, comments, elements marked hidden) is left out; what remains
is text and nothing else, whatever it says.
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

from foretell.errors import DataError
from foretell.lookup import nearest
from foretell.retrieval.passages import quoted

MOST_BYTES = 20_000_000
"""Larger files are no policies, and are refused unread."""
MOST_MARKUP = 5_000_000
MOST_CHARACTERS = 20_000_000
MOST_FRONT, MOST_HEADING = 10_000, 200


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text under one heading; `heading` holds those above it as well, outermost first."""

    heading: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Text:
    """What a file says: offsets of its sections count in `text`."""

    text: str
    sections: tuple[Section, ...]
    title: str = ""
    readers: tuple[str, ...] | None = None
    """Who may read it by its own front matter; None where it names nobody."""


_BEGINS = re.compile(r"\s*\ufeff?\s*---[ \t]*\r?\n")
_NAMES_READERS = re.compile(r"^\s*readers?\s*:", re.MULTILINE | re.IGNORECASE)
_FRONT = re.compile(r"\s*\ufeff?\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n?")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)\s*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def decoded(data: bytes) -> str:
    """Return the text of UTF-8 bytes.

    Raises:
        DataError: when they are something else, saying where.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"it is not UTF-8: byte {error.start}, in line {line}", "save it as UTF-8") from error


def plain(data: bytes) -> Text:
    """Return a text as written; front matter belongs to no section."""
    text = decoded(data)
    start, title, readers = _front(text)
    return Text(text, (Section((), start, len(text)),), title, readers)


def markdown(data: bytes) -> Text:
    """Return Markdown as written, cut at its headings; comments are blank lines of the same length."""
    text = _COMMENT.sub(lambda found: "\n" * len(found[0]), decoded(data))
    start, title, readers = _front(text)
    sections: list[Section] = []
    path: dict[int, str] = {}
    fence, begun, previous = "", start, (start, "")
    for match in _LINE.finditer(text, start):
        line, at = match[0].rstrip("\r\n"), match.start()
        if mark := _FENCE.match(line):
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
        heading = _HEADING.match(line) if not fence else None
        under = _UNDERLINE.match(line) if not fence and previous[1].strip() else None
        if heading or under:
            level, name = (len(heading[1]), heading[2]) if heading else _underlined(under, previous[1])
            sections.append(Section(_path(path), begun, at if heading else previous[0]))
            path = {depth: told for depth, told in path.items() if depth < level} | {level: _told(name)}
            begun, line = match.end(), ""
        previous = (at, line)
    sections.append(Section(_path(path), begun, len(text)))
    first = next((each.heading[0] for each in sections if each.heading), "")
    return Text(text, tuple(sections), title or first, readers)


def _told(heading: str) -> str:
    """Return a heading without the marks that may close it: ## Fees ##."""
    open_end = heading.rstrip().rstrip("#")
    return quoted(heading if open_end.strip() and open_end[-1] not in " \t" else open_end)[:MOST_HEADING]


def _underlined(under: re.Match[str] | None, name: str) -> tuple[int, str]:
    return (1 if under is not None and under[1][0] == "=" else 2), name


def _path(path: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(path[depth] for depth in sorted(path) if path[depth])


def _front(text: str) -> tuple[int, str, tuple[str, ...] | None]:
    """Return where the text begins after its front matter, its title and readers.

    Raises:
        DataError: when it cannot be read for sure: whom it shuts out is not known then.
    """
    import yaml

    begun = _BEGINS.match(text)
    if not begun:
        return 0, "", None
    front = _FRONT.match(text, 0, begun.end() + MOST_FRONT)
    if front is None:
        if _NAMES_READERS.search(text, 0, begun.end() + MOST_FRONT):
            raise DataError("its front matter does not end", "end it with a line ---")
        return 0, "", None
    try:
        said = yaml.safe_load(front[1]) or {}
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(
            "its front matter is not YAML", "correct what stands between the lines ---"
        ) from error
    if not isinstance(said, dict):
        raise DataError("its front matter is not `name: value`", "correct what stands between the lines ---")
    for name in said:
        if name != "readers" and nearest(str(name), ("readers",)):
            raise DataError(f"its front matter says '{name}'", "write `readers: [team, role]`")
    readers = said.get("readers")
    listed = isinstance(readers, list) and readers and all(isinstance(name, str) and name for name in readers)
    if "readers" in said and not listed:
        raise DataError("its front matter names no readers", "write `readers: [team, role]`")
    title = said.get("title")
    return front.end(), _told(title) if isinstance(title, str) else "", tuple(readers) if listed else None


_DROPPED = frozenset(
    ("script", "style", "template", "noscript", "svg", "math", "iframe", "object", "select", "title")
)
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_INLINE = frozenset(
    (
        *("a", "abbr", "b", "bdi", "cite", "code", "del", "em", "font", "i", "img", "ins", "kbd", "mark"),
        *("q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"),
    )
)
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))


class _Page(HTMLParser):
    """Gathers what a page shows; paragraphs are set apart by blank lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.length = self.begun = 0
        self.sections: list[Section] = []
        self.path: dict[int, str] = {}
        self.left_out: list[str] = []
        """The element that is left out, once for each of its name that is open in it."""
        self.heading: list[str] | None = None
        self.level = 0
        self.title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.left_out:
            self.left_out += [tag] if tag == self.left_out[0] else []
            return
        said = {name: value or "" for name, value in attrs}
        hidden = "hidden" in said or bool(_HIDING.search(said.get("style", "")))
        if tag not in _VOID and (hidden or tag in _DROPPED):
            self.left_out.append(tag)
        elif tag in _HEADINGS:
            self.end_heading()
            self.end_section()
            self.level, self.heading = int(tag[1]), []
        elif tag not in _INLINE:
            if tag != "br":
                self.end_heading()
            self.say("\n" if tag == "br" else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        if self.left_out:
            if tag == self.left_out[0]:
                self.left_out.pop()
        elif tag not in _INLINE:
            self.end_heading()
            self.say("\n\n")

    def handle_data(self, data: str) -> None:
        if self.left_out == ["title"]:
            self.title = self.title or quoted(data)[:MOST_HEADING]
        elif self.heading is not None and not self.left_out:
            self.heading.append(data)
        elif not self.left_out:
            self.say(re.sub(r"\s+", " ", data))

    def say(self, text: str) -> None:
        if self.heading is None:
            self.parts.append(text)
            self.length += len(text)

    def end_heading(self) -> None:
        """Close a heading, also one that the page never closes."""
        if self.heading is not None:
            above = {depth: told for depth, told in self.path.items() if depth < self.level}
            self.path = above | {self.level: quoted("".join(self.heading))[:MOST_HEADING]}
            self.heading = None

    def end_section(self) -> None:
        if self.length > self.begun:
            self.sections.append(Section(_path(self.path), self.begun, self.length))
        self.begun = self.length


def html(data: bytes) -> Text:
    """Return what an HTML page shows.

    Raises:
        DataError: when it is too long, or what it declares cannot be understood.
    """
    if len(data) > MOST_MARKUP:
        size = f"{len(data) / 1e6:,.0f} MB"
        raise DataError(f"it has {size} of HTML, more than {MOST_MARKUP / 1e6:,.0f}", "split it")
    text = _COMMENT.sub("", decoded(data))
    whole = text.find("<", text.rfind(">") + 1)  # a tag that never ends shows nothing, and takes long to read
    page = _Page()
    try:
        page.feed(text[:whole] if whole >= 0 else text)
        page.close()
    except AssertionError as error:  # how the library refuses a declaration that it does not know
        raise DataError(f"it cannot be read as HTML: {error}", "save it as plain HTML") from error
    page.end_heading()
    page.end_section()
    first = next((each.heading[0] for each in page.sections if each.heading), "")
    return Text("".join(page.parts), tuple(page.sections), page.title or first)


def pdf(data: bytes) -> Text:
    """Return the text of a PDF, a section for each page.

    Raises:
        DataError: when it is encrypted or damaged, holds no text, or pypdf is missing.
    """
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise DataError("reading PDF needs pypdf", "pip install 'foretell[documents]'") from error
    broken = (PyPdfError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError)
    parts, sections, length = [], [], 0
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted:
            raise DataError("it is encrypted", "save a copy without a password")
        for number, page in enumerate(reader.pages, start=1):
            said = page.extract_text() + "\n\n"
            parts.append(said)
            sections.append(Section((f"page {number}",), length, length + len(said)))
            length += len(said)
            if length > MOST_CHARACTERS:
                raise DataError(f"it holds more than {MOST_CHARACTERS:,} characters", "split it")
        title = (reader.metadata.title if reader.metadata else "") or ""
    except broken as error:
        raise DataError(f"it cannot be read as PDF: {str(error)[:200]}", "save it again as PDF") from error
    if not "".join(parts).strip():
        raise DataError("it holds no text, only pictures perhaps", "give it with text, or as Markdown")
    return Text("".join(parts), tuple(sections), quoted(str(title))[:MOST_HEADING])


READERS: Mapping[str, Callable[[bytes], Text]] = {
    ".md": markdown,
    ".markdown": markdown,
    ".txt": plain,
    ".html": html,
    ".htm": html,
    ".pdf": pdf,
}
"""How a name ends -> what reads the file."""
