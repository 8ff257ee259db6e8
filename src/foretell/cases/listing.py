"""What the list of cases shows of each case: how events set it, and the check that it is what they set.

Standard library only. Team, rule and clock are those of the policy in force when the case was opened; all
else follows from the case's own events and content.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from foretell.cases.log import NO_CLOCK, EventRow, named
from foretell.cases.names import DESK_PREFIX, PEOPLE, POLICY
from foretell.cases.policy import Handling, Policy, policy_of
from foretell.errors import ForetellError
from foretell.records import Prediction, restore

_WORDS = {
    "team": "the team",
    "headline": "the headline",
    "probability": "the probability",
    "alert": "the alert",
    "happened_at": "the time of the row",
    "opened_at": "the time of the opening",
    "due_at": "the time at which it is due",
    "wakes_at": "the time until which it sleeps",
    "asked": "the colleague asked",
    "approvals": "the number of approvals",
    "flagged": "the flag",
    "rule": "the rule",
}
COLUMNS = tuple(_WORDS)
_BLANK = {name: 0 if name in ("probability", "alert", "approvals", "flagged") else "" for name in COLUMNS}
_ERASED = {
    **{name: _BLANK[name] for name in COLUMNS if name not in ("team", "opened_at")},
    "due_at": NO_CLOCK,
}
"""Whose case it was still says who may know of it."""
_BROKEN = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError, ForetellError)


def at_opening(prediction: Prediction, headline: str, handling: Handling) -> dict[str, Any]:
    """Return the columns that the opening of a case sets, besides its times."""
    return {
        "team": handling.team,
        "headline": headline,
        "probability": prediction.probability,
        "alert": int(prediction.alert),
        "happened_at": prediction.at,
        "rule": handling.rule,
    }


def due(opened_at: str, hours: float) -> str:
    """Return when a case is due that was opened at an instant and has these hours; 0: no clock."""
    at = datetime.fromisoformat(opened_at) + timedelta(hours=hours)
    return at.isoformat(timespec="microseconds") if hours else NO_CLOCK


def afterwards(
    kind: str,
    *,
    headline: str = "",
    passed: bool = True,
    detail: Mapping[str, str] | None = None,
    endorsed: int = 0,
) -> dict[str, Any]:
    """Return the columns that a later event sets.

    Args:
        headline, passed: the first sentence of an edited text, and whether the verifier passes it.
        detail: what the decision brought.
        endorsed: how many people had approved the text that stands.
    """
    said = detail or {}
    if kind == "edited":
        return {"headline": headline, "approvals": 0, "flagged": int(not passed)}
    if kind == "endorsed":
        return {"approvals": endorsed + 1}
    if kind == "accepted":
        return {"flagged": 0}
    if kind == "snoozed":
        until = datetime.fromisoformat(said["until"]).astimezone(UTC)
        return {"wakes_at": until.isoformat(timespec="microseconds")}
    if kind == "asked":
        return {"asked": said["person"]}
    if kind in ("approved", "rejected", "escalated"):
        return {"wakes_at": "", "asked": ""}
    return _ERASED if kind == "erased" else {}


class Listing:
    """What the events make of the list, to be held against it."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, Any]] = {}
        self._endorsers: dict[str, set[str]] = {}
        self._owners: dict[str, str] = {}
        self._policies: dict[str, str] = {}
        self._policy = Policy()
        self._odd: list[int] = []

    def add(self, row: EventRow, body: Mapping[str, Any], pieces: Mapping[str, str]) -> None:
        """Take an event that its seal covers, with its content: kind -> canonical JSON text."""
        try:
            if row.case_id.startswith(DESK_PREFIX):
                self._desk(row, body, pieces)
            elif row.kind == "opened":
                self._open(row, pieces)
            elif row.kind == "erased":
                self._erase(row, body)
            else:
                self._move(row, pieces)
        except _BROKEN:
            self._odd.append(row.seq)

    def _desk(self, row: EventRow, body: Mapping[str, Any], pieces: Mapping[str, str]) -> None:
        self._lines.setdefault(row.case_id, {**_BLANK, "opened_at": row.at, "due_at": NO_CLOCK})
        if row.case_id == PEOPLE and row.kind == "person":
            said = json.loads(pieces["person"])
            self._owners[said["name"]] = said["owner"] or said["name"]
        elif row.kind == "proposed" and row.case_id == POLICY:
            self._policies[named(body)["policy"]] = pieces["policy"]
        elif row.kind == "confirmed" and row.case_id == POLICY:
            self._policy = policy_of(json.loads(self._policies[body["policy"]]))

    def _open(self, row: EventRow, pieces: Mapping[str, str]) -> None:
        line: dict[str, Any] = {"opened_at": row.at}
        if "prediction" in pieces:  # else it was erased, and with it what the other columns follow from
            prediction = restore(Prediction, json.loads(pieces["prediction"]))
            handling = self._policy.handling(prediction)
            line |= {**_BLANK, **line, **at_opening(prediction, _headline(pieces), handling)}
            line["due_at"] = due(row.at, handling.due_hours)
        self._lines[row.case_id] = line

    def _move(self, row: EventRow, pieces: Mapping[str, str]) -> None:
        line = self._lines[row.case_id]
        if len(line) < len(COLUMNS):
            return  # erased later on
        endorsers = self._endorsers.setdefault(row.case_id, set())
        line |= afterwards(
            row.kind,
            headline=_headline(pieces) if row.kind == "edited" else "",
            passed=row.kind != "edited" or json.loads(pieces["verdict"])["passed"],
            detail=json.loads(pieces["detail"]) if row.kind in ("snoozed", "asked") else None,
            endorsed=len(endorsers),
        )
        if row.kind == "edited":
            endorsers.clear()
        elif row.kind == "endorsed":
            endorsers.add(self._owners.get(row.actor, row.actor))

    def _erase(self, row: EventRow, body: Mapping[str, Any]) -> None:
        opened_at = self._lines[row.case_id]["opened_at"]
        team = {"team": body["team"]} if "team" in body else {}
        self._lines[row.case_id] = {"opened_at": opened_at, **team, **afterwards("erased")}

    def close(self, lines: Iterable[Sequence[Any]]) -> Iterator[tuple[int, str, str]]:
        """Yield what stands otherwise in the list: the event (0: none), what was done, and to what.

        Args:
            lines: of each case its id and its `COLUMNS`. Which cases there are is not asked here.
        """
        for seq in self._odd:
            yield (
                seq,
                "inserted",
                f"event {seq} was inserted: no desk tells so of a case, an account or a policy",
            )
        for case, *stands in lines:
            told = self._lines.get(case, {})
            for name, value in zip(COLUMNS, stands, strict=True):
                if name in told and value != told[name]:
                    text = f"{_WORDS[name]} of case {case} was altered in the list of cases: "
                    yield 0, "altered", f"{text}{value!r}, in the log {told[name]!r}"


def _headline(pieces: Mapping[str, str]) -> str:
    claims = json.loads(pieces["narrative"])["claims"]
    return str(claims[0]["text"]) if claims else ""
