"""An investigator: questions about the cases of a store, answered from read-only tools, for one reader.

It can change nothing. Who asks with an account sees what the desk would show them: their teams' cases, and
nothing of the score while they are to judge first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from foretell.cases import Store
from foretell.cases.desk import Desk, blind_facts
from foretell.cases.policy import Handling
from foretell.errors import DataError, ForetellError
from foretell.narration.answers import (
    BROUGHT,
    TOOLS,
    Answer,
    Step,
    numbered,
    planned,
    questions,
    told,
    understood,
)
from foretell.narration.asking import Ask
from foretell.records import Case, Evidence, Fact, digest, plain
from foretell.verification.grammar import language_of

AskModel = Callable[[Case, Step], Sequence[Fact]]
"""Asks the model that scored a case, and the data it stands in: what `whatif` and `drift` bring."""
JUDGE_FIRST = "This case is to be judged first: what the model says of it is shown after that."


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One question and what came of it, so that it can be asked again and compared."""

    case: str
    content: str
    """Digest of the case's content."""
    question: str
    steps: tuple[Step, ...]
    evidence: str
    """Digest of the facts that the answer rests on."""
    text: str
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        return digest(self)


@dataclass(frozen=True, slots=True)
class Seen:
    """A case as the reader sees it."""

    case: Case
    handling: Handling
    hidden: bool


class Investigator:
    """Answers questions about the cases of one store, for one reader.

    Args:
        person: name of an account; empty: nobody's, who sees every case.
        model: for the tools that ask the model; those are missing without it.
        blind: whether what is to be judged first hides its score from nobody's account as well.
    """

    def __init__(
        self, store: Store, person: str = "", model: AskModel | None = None, *, blind: bool = True
    ) -> None:
        self._store, self._person, self._blind, self._model = store, person, blind, model
        self._desk = Desk(store)

    def seen(self, case_id: str) -> Seen:
        """Return a case as the reader may see it.

        Raises:
            AccessError: when the reader may not look.
            StoreError: when there is no such case among those they see.
        """
        if self._person:
            shown = self._desk.case(self._person, case_id)
            return Seen(shown.case, shown.handling, shown.hidden)
        case = self._store.case(case_id)
        handling = self._store.policy().handling(case.prediction)
        undecided = case.status in ("open", "escalated")
        return Seen(case, handling, self._blind and handling.blind and undecided)

    def ask(self, case_id: str, question: str, planner: Ask | None = None) -> tuple[Answer, Episode]:
        """Answer a question about a case; a planner may choose the tools where it finds any that fit."""
        seen = self.seen(case_id)
        evidence = visible(seen)
        steps = planned(question, evidence, planner) if planner is not None else ()
        steps = steps or understood(question, evidence)
        return self.walk(case_id, question, steps)

    def walk(self, case_id: str, question: str, steps: Sequence[Step]) -> tuple[Answer, Episode]:
        """Call tools one after the other and tell what they found; the same steps give the same episode."""
        seen = self.seen(case_id)
        brought: list[Fact] = []
        taken: list[Step] = []
        notes = (
            []
            if steps
            else [
                "The question is not one that is understood here.",
                questions(language_of(seen.case.evidence)),
            ]
        )
        for step in _once(steps):
            try:
                found = self.call(seen, step)
            except ForetellError as error:
                notes.append(
                    _shown(". ".join(_begun(text) for text in (error.message, error.hint) if text)) + "."
                )
                continue
            known = {(fact.kind, fact.text) for fact in brought}
            brought += [fact for fact in found if (fact.kind, fact.text) not in known]
            taken.append(step)
        if JUDGE_FIRST in notes:
            notes = [JUDGE_FIRST, *(note for note in notes if note != JUDGE_FIRST)]
        answer = told(question, taken, numbered(visible(seen), brought), notes)
        if not taken:
            answer = replace(answer, notes=tuple(notes))
        return answer, Episode(
            case=case_id,
            content=seen.case.content,
            question=question,
            steps=tuple(steps),
            evidence=digest(answer.evidence),
            text=answer.narrative.text,
            notes=answer.notes,
        )

    def replay(self, episode: Episode) -> Episode:
        """Walk an episode's steps again; equal to the episode as long as nothing has changed."""
        return self.walk(episode.case, episode.question, episode.steps)[1]

    def call(self, seen: Seen, step: Step) -> tuple[Fact, ...]:
        """Return the facts that a tool brings besides those of the case's evidence.

        Raises:
            ForetellError: when it cannot be called so, or not yet.
        """
        if TOOLS[step.tool].scored and seen.hidden:
            raise DataError(JUDGE_FIRST.rstrip("."))
        match step.tool:
            case "similar":
                return seen.case.evidence.of("nearest")
            case "whatif" | "drift":
                if self._model is None:
                    raise DataError(
                        "the model itself is not asked here", "use `foretell ask` with the run's folder"
                    )
                return tuple(self._model(seen.case, step))
            case "compare":
                return compared(seen, self.seen(step.arguments["case"]))
            case "policy":
                return (asked_for(seen.handling),)
        return ()


def visible(seen: Seen) -> Evidence:
    """Return the facts of a case that its reader may see now, without those that only a tool brings."""
    facts = [fact for fact in seen.case.evidence.facts if fact.kind not in BROUGHT]
    if seen.hidden:
        kept = {*(fact.id for fact in blind_facts(seen.case.evidence))}
        facts = [fact for fact in facts if fact.id in kept or fact.kind == "rule"]
    return replace(seen.case.evidence, facts=tuple(facts))


def compared(seen: Seen, mate: Seen) -> tuple[Fact, ...]:
    """Return what tells a case from another one, as facts of the first."""
    if mate.hidden:
        raise DataError(f"case '{mate.case.id}' is to be judged first", "compare it after that")
    if mate.case.id == seen.case.id:
        raise DataError(f"'{mate.case.id}' is this case itself", "name another one")
    source = f"case {mate.case.id}"
    score = next(iter(mate.case.evidence.of("score")), None)
    found = [
        Fact(
            id="",
            kind="mate",
            name="case",
            text="case",
            value=mate.case.id,
            unit="name",
            source=source,
            detail={"probability": score.value} if score is not None else {},
        )
    ]
    mine = {fact.name: fact for fact in seen.case.evidence.of("input")}
    for fact in mate.case.evidence.of("input"):
        here = mine.get(fact.name)
        if here is not None and None not in (here.value, fact.value) and here.unit == fact.unit:
            detail = {"here": here.value, "case": mate.case.id}
            found.append(replace(fact, kind="apart", source=source, detail=detail))
    return tuple(found)


def asked_for(handling: Handling) -> Fact:
    """Return what the policy in force asks of a case."""
    return Fact(
        id="",
        kind="handling",
        name="policy",
        text=handling.rule or "policy",
        value=handling.approvals,
        unit="count",
        source="policy in force",
        detail={
            "ruled": int(bool(handling.rule)),
            "approver": handling.approver,
            "due_hours": handling.due_hours,
        },
    )


def _once(steps: Sequence[Step]) -> list[Step]:
    """Return each tool's first call: two comparisons side by side could be taken for one."""
    first: dict[str, Step] = {}
    for step in steps:
        first.setdefault(step.tool, step)
    return [*first.values()]


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")


def _shown(text: str) -> str:
    """Return a note with all that a terminal could obey, or that hides or turns letters, as code points."""
    return "".join(mark if mark.isprintable() else f"⟨U+{ord(mark):04X}⟩" for mark in text)


def answer_data(answer: Answer, episode: Episode) -> dict[str, Any]:
    """Return an answer as plain data: its sentences, the facts each rests on, and what was not answered."""
    cited = {name for finding in answer.verdict.findings for name in finding.facts}
    return plain(
        {
            "sentences": [
                {"text": answer.narrative.text[found.start : found.end], "facts": found.facts}
                for found in answer.verdict.findings
            ],
            "facts": [fact for fact in answer.evidence.facts if fact.id in cited],
            "notes": answer.notes,
            "content": episode.content,
            "episode": episode.digest,
        }
    )
