"""The house style of a run: learned from what people approved, kept by content, in use by a pointer."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from foretell import narration
from foretell.cases import Store, approved_texts
from foretell.cases.drafting import Refusal, cases_of
from foretell.cases.releases import Releases
from foretell.errors import CheckpointError, DataError
from foretell.files import write_whole
from foretell.narration.candidates import Candidate, candidates, unsayable
from foretell.narration.habits import Approved
from foretell.narration.habits import learn as learned
from foretell.narration.style import Style, furnish, opened, save
from foretell.records import Case, Evidence, Prediction, canonical, restore
from foretell.spec import NarrateSpec, Spec
from foretell.verification.grammar import language_of

if TYPE_CHECKING:
    from foretell.schooling import Comparison

POINTER, STYLES, WRITER = "style.json", "styles", "writer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What approved texts taught."""

    style: Style
    path: Path
    candidates: tuple[Candidate, ...]
    """Sentences that people wrote and nobody released yet."""


def learn(folder: Path, store: Store) -> Lesson:
    """Learn a style from the approved texts of a store, and put it in use in the folder of a run.

    Raises:
        DataError: when no text was approved.
    """
    texts = [*_approved(store)]
    if not texts:
        raise DataError("no text was approved yet", "approve cases first: foretell desk")
    languages = [language_of(approved.evidence) for approved, _ in texts]
    language = max(sorted({*languages}), key=languages.count)
    released = Releases(store).released(language)
    style = learned((approved for approved, _ in texts), language, released)
    path = save(style, folder / STYLES)
    adopt(folder, path.stem)
    return Lesson(style=style, path=path, candidates=offered(store, language))


def train(folder: Path, store: Store, spec: Spec) -> "tuple[Path, Comparison]":
    """Train a language model on the approved texts of a store, beside a run; it writes only where it won.

    Raises:
        DataError: when too few texts were approved.
    """
    from foretell.schooling import train as trained

    pairs = [
        (approved.evidence, approved.text, replace(spec.narrate, length=approved.length, style=""))
        for approved, _ in _approved(store)
    ]
    place = folder / WRITER
    return place, trained(pairs, place, threads=spec.train.threads, seed=spec.train.seed)


def offered(store: Store, language: str = "en") -> tuple[Candidate, ...]:
    """Return the sentences of people that could become the house's own, but were not proposed yet."""
    known = {each.wording for each in Releases(store).all() if each.state != "withdrawn"}
    return tuple(each for each in candidates(_approved(store), language) if each.wording not in known)


def unoffered(store: Store, language: str = "en") -> dict[str, str]:
    """Return the sentences of people that cannot become the house's own, each with the reason."""
    return unsayable(_approved(store), language)


def settled(folder: Path, given: str = "") -> str:
    """Return the file of the style in use, or "": the given one, else the one that the pointer names.

    Raises:
        CheckpointError: when it is missing or altered, or has a sentence that nobody released.
    """
    path = given or _pointed(folder)
    if not path:
        return ""
    style = opened(path)
    if style.wordings:
        held = folder / "cases.db"
        released: tuple = ()
        if held.exists():
            with Store(f"sqlite:///{held}", create=False) as store:
                released = Releases(store).released(style.language)
        strange = [wording for wording in style.wordings if wording not in released]
        if strange:
            raise CheckpointError(
                f"the style {style.digest[:12]} has a sentence that nobody released: '{strange[0].text}'",
                "learn it again: foretell style learn",
            )
    return path


def told(
    folder: Path, predictions: Iterable[Prediction], evidence: Iterable[Evidence], spec: NarrateSpec
) -> tuple[tuple[Case, ...], tuple[Refusal, ...]]:
    """Return the cases, as `cases_of` does, told in the style in use; a row that has a case keeps its style.

    Raises:
        CheckpointError: as `settled` and `told_in` do.
    """
    used = settled(folder, spec.style)
    if not used and not (folder / STYLES).exists():
        return cases_of(predictions, evidence, spec)
    known = _known(folder, spec.style)
    pairs = [(one, facts, known.get(one.id, used)) for one, facts in zip(predictions, evidence, strict=True)]
    write = narration.writer_of(spec)
    cases: list[Case] = []
    refused: list[Refusal] = []
    for path in dict.fromkeys(path for _, _, path in pairs):
        mine = [(one, furnish(facts, path)) for one, facts, its in pairs if its == path]
        asked = ([one for one, _ in mine], [facts for _, facts in mine])
        made, wrong = cases_of(*asked, replace(spec, style=path), write)
        cases += made
        refused += wrong
    place = {one.id: at for at, (one, _, _) in enumerate(pairs)}
    return tuple(sorted(cases, key=lambda case: place[case.id])), tuple(refused)


def _known(folder: Path, given: str) -> dict[str, str]:
    """Return the style of each case that the run has already."""
    if not (folder / "cases.db").exists():
        return {}
    with Store(f"sqlite:///{folder / 'cases.db'}", create=False) as store:
        return {case.id: told_in(folder, case.evidence, given) for case in store.all_cases()}


def styles(folder: Path) -> tuple[Path, ...]:
    """Return the styles of a run, the newest last."""
    return tuple(sorted((folder / STYLES).glob("*.json"), key=lambda path: path.stat().st_mtime_ns))


def adopt(folder: Path, digest: str) -> str:
    """Put an earlier style in use again, named by its first letters, or none when there are none.

    Raises:
        CheckpointError: when not exactly one style of the run is named so, or it was altered.
    """
    if not digest:
        (folder / POINTER).unlink(missing_ok=True)
        return ""
    fitting = [path for path in styles(folder) if path.stem.startswith(digest)]
    if len(fitting) != 1:
        raise CheckpointError(
            f"{len(fitting)} styles of the run begin with '{digest}'", "list them: foretell style show"
        )
    opened(str(fitting[0]))
    write_whole(folder / POINTER, canonical({"style": fitting[0].stem}) + b"\n")
    return fitting[0].stem


def told_in(folder: Path, evidence: Evidence, given: str = "") -> str:
    """Return the file of the style that an evidence says it was told in, or "".

    Raises:
        CheckpointError: when the folder has no such style.
    """
    named = next((str(fact.value) for fact in evidence.of("term") if fact.name == "style"), "")
    if named and Path(given).stem.startswith(named):
        return given
    fitting = [path for path in styles(folder) if path.stem.startswith(named)] if named else []
    if named and len(fitting) != 1:
        raise CheckpointError(
            f"the style {named} is not in '{folder / STYLES}'", "bring its file back under styles/"
        )
    return str(fitting[0]) if fitting else ""


def _pointed(folder: Path) -> str:
    pointer = folder / POINTER
    if not pointer.exists():
        return ""
    try:
        return str(folder / STYLES / f"{json.loads(pointer.read_text(encoding='utf-8'))['style']}.json")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"'{pointer}' names no style: {error!r}", "foretell style revert") from error


def _approved(store: Store) -> Iterator[tuple[Approved, str]]:
    """Yield each approved text, with the draft that it was before."""
    for pair in approved_texts(store):
        evidence = restore(Evidence, pair["evidence"])
        yield Approved(evidence=evidence, text=pair["text"], length=pair["length"]), pair["drafted"]
