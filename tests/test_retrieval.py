"""Laws of retrieval: exact quotations, rights that hold, an index that equals its files, bad input told."""

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

import retrieval_material as material
from foretell.errors import DataError, SpecError
from foretell.narration import narrate
from foretell.records import Evidence, Fact
from foretell.retrieval import Index, changes, cited
from foretell.retrieval.documents import text_of
from foretell.retrieval.markup import MOST_BYTES
from foretell.retrieval.passages import LONGEST, passages, quoted
from foretell.spec import NarrateSpec
from foretell.verification import verify

OWN = "retrieval_material:embed"
NAMES = ("risk", "fraud team", "administrator", "reviewer")
PIECES = (
    *("Call the customer. ", "see e.g. No. 5 of Dr. Who", "\n\n", "\n- item", "\n1. first", "x" * 450, " "),
    *("Ende?\n", "“Quoted!” he said. ", "# Head\n", "Two words ", "ß\u00a0é\t", "…", "a, b and c"),
)
pieces = st.sampled_from(PIECES)
SLOW = settings(max_examples=25, deadline=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return material.write(tmp_path / "documents")


def found(index: Index, query: str, *readers: str) -> list[str]:
    return [passage.text for passage in index.search(query, readers, top=20)]


@given(st.lists(pieces, max_size=40).map("".join))
def test_passages_are_short_in_order_and_leave_out_nothing_that_is_said(text):
    cuts = [*passages(text, 0, len(text))]
    assert all(0 < len(quoted(text[low:high])) <= LONGEST for low, high in cuts)
    assert all(one[1] <= other[0] for one, other in pairwise(cuts))
    told = {at for low, high in cuts for at in range(low, high)}
    left_out = "".join(mark for at, mark in enumerate(text) if at not in told)
    assert left_out.replace("1", "").strip(" \n\t\u00a0-.") == ""


def test_every_passage_stands_word_for_word_in_its_document(folder: Path):
    (folder / "notes.pdf").write_bytes(material.pdf("Notes on cards. They expire."))
    index = Index.build([str(folder)])
    assert len({line.document for line in index.lines}) == 4
    for line in index.lines:
        path = Path(index.documents[line.document].path)
        text = text_of(path.name, path.read_bytes()).text
        assert quoted(text[line.start : line.end]) == line.text


def test_a_passage_is_found_by_its_words_and_by_its_meaning(folder: Path):
    index = Index.build([str(folder)])
    for by in ("words", "meaning", "both"):
        first = index.search("amount above the customer's past", by=by)[0]
        assert first.name == "Refunds: Disputed amounts"
        assert first.text.startswith("A transaction whose amount is far above")


@SLOW
@given(st.data())
def test_a_passage_never_reaches_who_may_not_read_its_document(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("rights")
    who = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)
    rights, needed = {}, {}
    for place in ("a", "a/b", "c"):
        (root / place).mkdir(parents=True)
        if data.draw(st.booleans()):
            rights[str(root / place)] = tuple(data.draw(who))
    for place in ("a", "a/b", "c", "."):
        own = data.draw(who) if data.draw(st.booleans()) else None
        front = f"---\nreaders: {own}\n---\n" if own else ""
        path = root / place / "note.md"
        path.write_text(f"{front}Cards of {place} are blocked at once.\n", encoding="utf-8")
        around = [names for folder, names in rights.items() if path.is_relative_to(folder)]
        needed[str(path)] = [*around, *([own] if own else [])]
    index = Index.build([str(root)], rights)
    index.write(root / "index")
    for held in (index, Index.open(root / "index"), index.updated([str(root)], rights)):
        readers = data.draw(st.lists(st.sampled_from(NAMES), unique=True))
        may = {path for path, locks in needed.items() if all({*readers} & {*lock} for lock in locks)}
        for by in ("words", "both"):
            passages = held.search("cards blocked at once", readers, top=20, by=by)
            assert {os.path.realpath(each.document) for each in passages} == {*map(os.path.realpath, may)}


def test_a_case_quotes_only_what_everybody_who_sees_it_may_read(folder: Path):
    index = Index.build([str(folder)])
    terms = material.evidence().facts
    about = Fact(id="", kind="attribution", name="t", text="known fraud of the terminals", value=1.0)
    asked = Evidence(id="1", facts=(*terms[:2], replace(about, id="f3", detail={"rank": 1})))
    for readers, seen in (((), False), (("reviewer",), False), (("risk",), True)):
        told = cited([asked], index, NarrateSpec(readers=readers))[0].of("passage")
        assert any("watch list" in str(fact.value) for fact in told) == seen


@SLOW
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=8), st.data())
def test_an_index_brought_up_to_date_equals_one_built_anew(tmp_path_factory, acts, data):
    root = tmp_path_factory.mktemp("update")
    texts = (
        "",
        "One card is blocked.\n\nTwo terminals wait.",
        "# Cards\n\nTwo cards wait.",
        "Refunds. Ja.",
        "A b.",
    )
    (root / "stays.md").write_text(
        "The first card waits. It stays here.\n\nNo refund is made.", encoding="utf-8"
    )
    embedder = data.draw(st.sampled_from(("lsa", OWN)))
    index = Index.build([str(root)], embedder=embedder)
    for place, text in acts:
        path = root / f"{place}.md"
        path.write_text(texts[text], encoding="utf-8") if text else path.unlink(missing_ok=True)
        index = index.updated([str(root)])
    index.write(root / "index")
    anew, opened = Index.build([str(root)], embedder=embedder), Index.open(root / "index")
    for held in (index, opened):
        assert (held.documents, [*held.lines], [*held.terms]) == (anew.documents, anew.lines, [*anew.terms])
        assert (held.counts != anew.counts).nnz == 0
        assert np.allclose(held.space.vectors, anew.space.vectors)
        assert held.search("two cards wait") == anew.search("two cards wait")


def test_what_did_not_change_is_not_embedded_again(folder: Path):
    index = Index.build([str(folder)], embedder=OWN)
    (folder / "new.txt").write_text("Cheques are no longer taken.", encoding="utf-8")
    material.ASKED.clear()
    later = index.updated([str(folder)])
    assert [text.split("\n")[-1] for text in material.ASKED] == ["Cheques are no longer taken."]
    assert later.search("cheque", by="meaning")[0].text == "Cheques are no longer taken."


@SLOW
@given(st.data())
def test_an_altered_index_is_refused(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("altered")
    Index.build([str(material.write(root / "documents"))]).write(root / "index")
    whole = (root / "index").read_bytes()
    # paths are of different lengths each time, and what is drawn must not depend on them
    at = int(data.draw(st.floats(0, 1, exclude_max=True)) * len(whole))
    bit = data.draw(st.integers(0, 7))
    altered = bytearray(whole)
    altered[at] ^= 1 << bit
    kept = len(whole) if data.draw(st.booleans()) else at
    (root / "index").write_bytes(bytes(altered[:kept]))
    with pytest.raises(DataError, match="cannot be read as an index"):
        Index.open(root / "index")


def test_a_writer_that_cannot_finish_leaves_the_old_index(folder: Path, tmp_path: Path):
    path = tmp_path / "index"
    Index.build([str(folder)]).write(path)
    before = path.read_bytes()
    (tmp_path / f".index.{os.getpid()}.new").mkdir()  # so that nothing can be written aside
    with pytest.raises(OSError, match="new"):
        Index.build([str(folder / "refunds.md")]).write(path)
    assert path.read_bytes() == before


def test_a_comment_in_markdown_is_never_quoted(tmp_path: Path):
    text = "Cards are <!-- never --> blocked.\n\n<!-- Approve\n\nall. -->Call first."
    (tmp_path / "note.md").write_text(text, encoding="utf-8")
    said = [(line.text, text[line.start : line.end]) for line in Index.build([str(tmp_path)]).lines]
    assert said == [(each, each) for each in ("Cards are", "blocked.", "Call first.")]


def test_a_page_is_text_and_nothing_else(folder: Path):
    index = Index.build([str(folder / "chargebacks.html")])
    said = [line.text for line in index.lines]
    assert said == [
        "A chargeback must be answered within 14 days.",
        "The bank keeps a fee of EUR 15.",
        "Send the receipt & the log.",
    ]
    assert index.documents[0].name == "Chargebacks"


HOSTILE = (
    ("nested.html", b"<div>" * 200_000 + b"Cards are blocked." + b"</div>" * 200_000),
    ("open.html", b"<p>Cards are blocked.</p>" + b"<!--" * 100_000),
    ("tags.html", b"<p>Cards are blocked.</p>" + b"<a " * 50_000),
    ("long.md", b"Cards are blocked.\n\n" + b"x" * 1_000_000),
    ("heads.md", b"Cards are blocked.\n" + b"#" * 500_000 + b"\n" + b"- " * 200_000),
    ("nul.txt", b"Cards are blocked.\x00\x1b[31m"),
)


@pytest.mark.parametrize(("name", "data"), HOSTILE, ids=[name for name, _ in HOSTILE])
def test_a_hostile_document_is_read_or_left_out(tmp_path: Path, name: str, data: bytes):
    (tmp_path / name).write_bytes(data)
    index = Index.build([str(tmp_path)])
    assert any(line.text.startswith("Cards are blocked.") for line in index.lines)


def encrypted(path: Path) -> None:
    writer = PdfWriter()
    writer.append(PdfReader(_stored(path, material.pdf("Secret rules."))))
    writer.encrypt("secret", algorithm="AES-256")
    writer.write(path)


def _stored(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


BAD = (
    ("secret.pdf", encrypted, "it is encrypted"),
    ("torn.pdf", lambda path: path.write_bytes(material.pdf("Rules.")[:90]), "it cannot be read as PDF"),
    ("empty.pdf", lambda path: path.write_bytes(material.pdf("")), "it holds no text"),
    ("latin.md", lambda path: path.write_bytes(b"Geb\xfchr\nzwei"), "it is not UTF-8: byte 3, in line 1"),
    (
        "huge.txt",
        lambda path: os.truncate(_stored(path, b"x"), 5 * MOST_BYTES),
        "it has 100 MB, more than 20",
    ),
    ("loop.md", lambda path: path.symlink_to(path), "it is a link"),
    ("pipe.md", os.mkfifo, "it is no plain file"),
    (
        "front.md",
        lambda path: path.write_text("---\nreaders: all\n---\nText."),
        "its front matter names no readers",
    ),
    ("open.md", lambda path: path.write_text("---\nreaders: [risk]\nText."), "its front matter does not end"),
    (
        "slip.txt",
        lambda path: path.write_text("---\nReader: [risk]\n---\nText."),
        "its front matter says 'Reader'",
    ),
    ("yaml.md", lambda path: path.write_text("---\na: [\n---\nText."), "its front matter is not YAML"),
)


@pytest.mark.parametrize(("name", "make", "reason"), BAD, ids=[name for name, _, _ in BAD])
def test_what_cannot_be_read_is_left_out_and_says_why(folder: Path, name: str, make, reason: str):
    make(folder / name)
    index = Index.build([str(folder)])
    assert [(Path(each.path).name, each.reason[: len(reason)]) for each in index.skipped] == [(name, reason)]
    assert len(index.documents) == 3
    with pytest.raises(DataError, match="no document can be quoted"):
        Index.build([str(folder / name)])


def test_a_folder_that_is_empty_or_not_there_is_refused(tmp_path: Path):
    for place in (tmp_path, tmp_path / "nowhere", tmp_path / "*.md"):
        with pytest.raises(DataError, match="holds no document"):
            Index.build([str(place)])


def test_links_that_lead_round_or_out_are_not_followed(folder: Path, tmp_path: Path):
    (folder / "round").symlink_to(folder)
    (tmp_path / "outside.md").write_text("Not one of the owner's documents.", encoding="utf-8")
    (folder / "out.md").symlink_to(tmp_path / "outside.md")
    index = Index.build([str(folder)])
    assert len(index.documents) == 3
    assert not found(index, "owner's documents", "risk")


def test_a_slip_in_the_name_of_a_folder_opens_nothing(folder: Path):
    with pytest.raises(SpecError, match=r"narrate\.rights names"):
        Index.build([str(folder)], {str(folder / "intrenal"): ("risk",)})


def test_documents_of_one_title_are_told_apart(folder: Path):
    (folder / "internal" / "more.md").write_text("# Refunds\n\nRefund cheques by post.", encoding="utf-8")
    index = Index.build([str(folder)])
    names = {passage.name for passage in index.search("refund", top=10)}
    assert any(name.startswith(f"Refunds ({folder / 'refunds.md'})") for name in names)
    assert f"Refunds ({folder / 'internal' / 'more.md'})" in names


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_case_quotes_word_for_word_and_no_other_word_passes(folder: Path, language: str):
    index = Index.build([str(folder)])
    asked = material.evidence()
    tongue = Fact(id="f5", kind="term", name="language", text="language", value=language, unit="name")
    asked = replace(asked, facts=(*asked.facts, tongue))
    told = cited([asked], index, NarrateSpec())[0]
    best = told.of("passage")[0]
    assert best.text == "Refunds: Disputed amounts"
    narrative, verdict = narrate(told, NarrateSpec(length="long", language=language))
    assert verdict.passed
    quotation = str(best.value)
    assert quotation in narrative.text
    at = narrative.text.index(quotation)
    for place in range(at, at + len(quotation), 7):
        other = "x" if narrative.text[place] != "x" else "y"
        changed = narrative.text[:place] + other + narrative.text[place + 1 :]
        claim = replace(narrative.claims[0], text=changed)
        assert not verify(replace(narrative, claims=(claim,)), told).passed


def test_a_document_that_changed_since_is_told(folder: Path):
    told = cited([material.evidence()], Index.build([str(folder)]), NarrateSpec())[0]
    path = folder / "refunds.md"
    assert [*changes(told)] == []
    path.write_text(material.REFUNDS.replace("EUR 500", "EUR 900"), encoding="utf-8")
    assert any("has changed since: the passage still stands" in line for line in changes(told))
    path.write_text(material.REFUNDS.replace("by phone", "by letter"), encoding="utf-8")
    assert any("has changed since: the passage is gone" in line for line in changes(told))
    path.unlink()
    assert any("is not to be compared: it cannot be read" in line for line in changes(told))
