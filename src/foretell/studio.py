"""The studio's road: read, fit a generator, draw, measure, guard, mark, and open the release as a case."""

import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from foretell import provenance, release
from foretell.border import dump_spec, load_spec
from foretell.data.inference import GENERATE
from foretell.errors import CheckpointError, DataError
from foretell.files import write_whole
from foretell.generation import guard
from foretell.generation.modality import Generator, Items, Material, Modality, modality, modality_of
from foretell.records import Case, Evidence, digest
from foretell.report.generated import page
from foretell.spec import ExplainSpec, GenerateSpec, NarrateSpec, ReviewSpec, Spec
from foretell.training.checkpoint import Checkpoint, exists, open_checkpoint, save
from foretell.training.progress import shown
from foretell.workflow import Tell, alone, end_training, quiet

KIND = "generator"
FITTED_BY = ("modality", "family", "tokens", "grammar", "children", "epsilon", "delta")
"""Fields of `generate` that shape the generator; the others steer its draws."""
NAMES = {"table": "rows", "linked": "families", "text": "texts", "image": "images"}
ITEMS = {"table": "row", "linked": "family", "text": "text", "image": "image"}
"""Modality -> what one item is called, and in the plural."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Studio:
    """A fitted generator, and what it learned from."""

    spec: Spec
    modality: Modality
    generator: Generator
    material: Material
    digest: str
    """Of its folder's manifest."""
    mark: Mapping[str, int] = field(default_factory=dict)
    """How the keyed mark of its texts is read; empty: they carry none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GeneratedSet:
    """What was drawn, measured, and laid before people."""

    path: Path
    """The file of the set; what signs it stands in it or beside it."""
    items: Items
    withheld: int
    """Items that lay too near to a teaching one."""
    evidence: Evidence
    case: Case
    report: Path
    card: Path
    studio: Studio
    cpu_seconds: float


def fit(spec: Spec, *, tell: Tell = quiet) -> Studio:
    """Fit a generator, or open the one that the same data and spec fitted in the folder before.

    A fit that was interrupted goes on from its last checkpoint.

    Raises:
        DataError: when the source cannot be read, holds too little, or its licence is not known.
        CheckpointError: when the folder holds a model that predicts, or cannot be written.
    """
    with alone(Path(spec.out)):
        return _fitted(spec, tell)


def generate(spec: Spec, *, key: str = "", tell: Tell = quiet) -> GeneratedSet:
    """Fit where nothing is fitted yet, draw a set, and leave it in the folder with all that is known of it.

    The folder holds model (the generator), the file of the set with its signature, card, report, and
    cases.db, where the release of the set is a case: somebody approves or rejects it.

    Args:
        key: of whom registers the generator, where people have accounts.

    Raises:
        DataError: as `fit`; when what is asked cannot be.
        VerdictError: when no writer told the set truthfully.
    """
    started = time.process_time()
    with alone(Path(spec.out)):
        studio = _fitted(spec, tell)
        done = _drawn(_marking(studio), key, tell)
    return replace(done, cpu_seconds=time.process_time() - started)


def spec_in(folder: Path, overrides: tuple[str, ...] = ()) -> Spec:
    """Return the spec of the generator in a folder, so that it draws again.

    Raises:
        CheckpointError: when the folder holds none.
    """
    opened = _opened(folder / "model")
    spec = load_spec(folder / "model" / "spec.yaml")
    spec = load_spec(spec, overrides) if overrides else spec
    return replace(spec, out=str(folder)) if opened else spec


def _opened(folder: Path) -> Checkpoint:
    checkpoint = open_checkpoint(folder)
    if checkpoint.kind != KIND:
        raise CheckpointError(
            f"'{folder}' holds a {checkpoint.kind} and no generator", "choose another folder in: out"
        )
    return checkpoint


def _fitted(spec: Spec, tell: Tell) -> Studio:
    spec = replace(spec, task=replace(spec.task, name=GENERATE))
    guard.licensed(spec.data.licence, spec.data.source, allowed=spec.generate.unlicensed)
    what, folder = modality_of(spec), Path(spec.out)
    kind = modality(what)
    spec = replace(spec, generate=replace(spec.generate, modality=what))
    tell(f"reading {spec.data.source}")
    material = kind.read(spec)
    taught, held = len(material.teach), len(material.holdout)
    tell(f"  {taught:,} {NAMES[what]} teach, {held:,} are held out to measure what is new")
    for reason in material.left_out:
        tell(f"  {reason}")
    place = folder / "model"
    if exists(place):
        checkpoint = _opened(place)
        before = load_spec(place / "spec.yaml")
        if checkpoint.manifest["data"] == material.fingerprint and _fits(before) == _fits(spec):
            tell("the generator is fitted already")
            generator = kind.opened(checkpoint.files)
            return Studio(
                spec=spec, modality=kind, generator=generator, material=material, digest=checkpoint.digest
            )
    tell("fitting the generator")
    with shown("  fitting") as progress:
        generator = kind.fit(material, spec, folder=folder / "training", progress=progress)
    files = {"spec.yaml": dump_spec(spec).encode(), **generator.files()}
    name = save(place, files, kind=KIND, data=material.fingerprint)
    end_training(folder)
    return Studio(spec=spec, modality=kind, generator=generator, material=material, digest=name)


def _fits(spec: Spec) -> Spec:
    """Return a spec without what only steers draws, tells of them, or says where things are."""
    fresh = GenerateSpec()
    kept = {name: getattr(spec.generate, name) for name in FITTED_BY}
    return replace(
        spec,
        generate=replace(fresh, **kept),
        explain=ExplainSpec(),
        narrate=NarrateSpec(),
        review=ReviewSpec(),
        data=replace(spec.data, licence=""),
        out="",
    )


def _marking(studio: Studio) -> Studio:
    """Return the studio whose texts carry the mark of the run's key."""
    if modality_of(studio.spec) != "text":
        return studio
    from foretell.generation.texts import marked

    generator, mark = marked(studio.generator, provenance.mark_key(Path(studio.spec.out)))
    return replace(studio, generator=generator, mark=mark)


def _drawn(studio: Studio, key: str, tell: Tell) -> GeneratedSet:
    """Draw, measure, sign, and open the case."""
    spec, kind, material, generator = studio.spec, studio.modality, studio.material, studio.generator
    asked = spec.generate
    tell(f"drawing {asked.count:,}, and measuring them")
    if asked.epsilon:  # what is withheld tells of the rows that taught, which no epsilon would cover
        items, withheld = generator.draw(asked.count, asked, seed=asked.seed), 0
    else:
        items, withheld = guard.withheld(
            kind, material, lambda count: generator.draw(count, asked, seed=asked.seed), asked.count
        )
    if not len(items):
        raise DataError(
            f"nothing is left of {asked.count:,}: all lay too near to what taught", "ask for other ones"
        )
    path = _placed(studio, items)
    made = guard.Made(
        name=path.stem,
        item=ITEMS[modality_of(spec)],
        count=len(items),
        asked=asked.count,
        withheld=withheld,
        family=generator.family,
        seed=asked.seed,
        source=Path(material.source).name,
        taught=len(material.teach),
        epsilon=asked.epsilon,
        delta=asked.delta if asked.epsilon else 0.0,
    )
    facts = guard.facts(
        kind,
        material,
        items,
        made,
        licence=guard.licensed(spec.data.licence, made.source, allowed=asked.unlicensed),
        fidelity=kind.fidelity(material, items, spec),
        surprise=generator.surprise,
        watched=kind.watched(material, items, spec),
        language=spec.narrate.language,
        seed=asked.seed,
    )
    evidence = release.evidence_of(facts, studio.digest, spec.narrate)
    return _released(studio, items, withheld, evidence, path, key, tell)


def _released(
    studio: Studio, items: Items, withheld: int, evidence: Evidence, path: Path, key: str, tell: Tell
) -> GeneratedSet:
    """Sign the file, write card and report, and lay the set before people."""
    spec, folder = studio.spec, Path(studio.spec.out)
    text = dump_spec(spec)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    said = provenance.statement(
        evidence,
        made={"count": len(items), "seed": spec.generate.seed, "family": studio.generator.family},
        spec=sha256,
        at=datetime.now(UTC),
        mark=studio.mark,
    )
    provenance.sign(path, said, folder)
    card = path.with_name(f"{path.stem}.card.md")
    write_whole(card, release.card(evidence, spec.narrate).encode())
    data = studio.material.fingerprint
    case = release.open_release(
        folder, evidence, spec=sha256, data=data, narrate=spec.narrate, tell=tell, key=key
    )
    shown_in = path.with_name(f"{path.stem}.html")
    pictures = studio.modality.preview(studio.material, items)
    write_whole(shown_in, page(case, pictures, file=path.name).encode())
    return GeneratedSet(
        path=path,
        items=items,
        withheld=withheld,
        evidence=evidence,
        case=case,
        report=shown_in,
        card=card,
        studio=studio,
        cpu_seconds=0.0,
    )


def _placed(studio: Studio, items: Items) -> Path:
    """Write the set and return where: its name is that of its content, its model and what was asked."""
    folder, kind = Path(studio.spec.out), studio.modality
    new = folder / f".set{kind.ENDING}"
    kind.write(items, new)
    asked = dump_spec(replace(studio.spec, out=""))
    name = digest([provenance.contents(new), studio.digest, asked])[:6]
    path = folder / f"{NAMES[modality_of(studio.spec)]}-{len(items)}-{name}{kind.ENDING}"
    if path.is_dir():
        shutil.rmtree(path)
    new.replace(path)
    return path
