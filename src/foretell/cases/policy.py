"""The policy of a desk as data: which cases need whom, until when, what is sampled; standard library only.

A policy is a list of rules. The first rule that fits a case decides how it is handled; a case that no rule
fits is handled by the defaults of `Handling`. Samples are drawn by the digest of the policy's salt and the
case's id, so that nobody can choose what is sampled, and anybody with the policy can check it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from foretell.errors import SpecError
from foretell.lookup import unknown
from foretell.records import Prediction, plain

MOST_APPROVALS = 5
REASONS = ("false_alarm", "missed", "duplicate", "not_enough_evidence", "other")
RELEASES = ("people", "auto")
APPROVERS = ("reviewer", "approver")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """Which cases it fits (all of its conditions hold), and what they need."""

    name: str
    alert: bool | None = None
    abstained: bool | None = None
    probability_from: float = 0.0
    probability_below: float = 1.01
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Input column -> {"from": 1000} or {"below": 5} or {"is": "web"}; a value that is missing never fits."""
    team: str = ""
    """Whose case it is; empty: everybody's."""
    approvals: int = 1
    """Different people who must approve before the case is approved."""
    approver: str = "reviewer"
    """Role that the last of them must have: reviewer or approver."""
    due_hours: float = 0.0
    """Hours until the case is due; 0: no clock."""
    release: str = "people"
    """people, or auto: the software releases the case as it is opened, unless it is sampled for the audit."""

    def fits(self, prediction: Prediction) -> bool:
        """Tell whether the rule is about a case of this prediction."""
        return (
            self.alert in (None, prediction.alert)
            and self.abstained in (None, prediction.abstained)
            and self.probability_from <= prediction.probability < self.probability_below
            and all(_within(prediction.inputs.get(name), bounds) for name, bounds in self.inputs.items())
        )


def _within(value: Any, bounds: Mapping[str, Any]) -> bool:
    if value is None:
        return False
    if "is" in bounds:
        return bool(value == bounds["is"])
    if isinstance(value, str):
        return False
    return bool(bounds.get("from", value) <= value and ("below" not in bounds or value < bounds["below"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All that a desk's owner decides about how cases are decided."""

    rules: tuple[PolicyRule, ...] = ()
    audit_share: float = 0.05
    """Share of what would be released automatically that people see all the same."""
    blind_share: float = 0.0
    """Share of the cases whose reviewer judges before the score and its reasons are shown."""
    hourly_limit: int = 0
    """Decisions that one person may take within an hour; 0: no limit."""
    lease_minutes: float = 15.0
    """How long a claimed case stays with its reviewer without a sign of life."""
    reasons: tuple[str, ...] = REASONS
    """Reason codes that a rejection may give."""
    salt: str = ""
    """What the samples are drawn by."""

    def handling(self, prediction: Prediction) -> "Handling":
        """Return what a case of this prediction needs."""
        rule = next((rule for rule in self.rules if rule.fits(prediction)), None)
        if rule is None:
            return Handling(rule="", blind=self.sampled("blind", prediction.id, self.blind_share))
        audited = self.sampled("audit", prediction.id, self.audit_share)
        return Handling(
            rule=rule.name,
            team=rule.team,
            approvals=rule.approvals,
            approver=rule.approver,
            due_hours=rule.due_hours,
            released=rule.release == "auto" and not audited,
            audited=rule.release == "auto" and audited,
            blind=self.sampled("blind", prediction.id, self.blind_share),
        )

    def sampled(self, what: str, case_id: str, share: float) -> bool:
        """Tell whether a case falls into a sample of this share; the same for everybody and for ever."""
        drawn = hashlib.sha256(f"{self.salt}\n{what}\n{case_id}".encode()).digest()
        return int.from_bytes(drawn[:8], "big") < share * 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What one case needs, by the policy in force."""

    rule: str
    """Name of the rule that fits; empty when none does."""
    team: str = ""
    approvals: int = 1
    approver: str = "reviewer"
    due_hours: float = 0.0
    released: bool = False
    """Released by the software as it is opened."""
    audited: bool = False
    """Would have been released, but was sampled for people to see."""
    blind: bool = False


def policy_of(data: Any) -> Policy:
    """Return the policy that plain data describes.

    Raises:
        SpecError: with every fault found.
    """
    faults: list[str] = []
    values = _known(data, Policy, "policy", faults)
    rules = values.pop("rules", [])
    if not isinstance(rules, Sequence) or isinstance(rules, str):
        faults.append("rules: not a list")
        rules = []
    read = [
        _known(rule, PolicyRule, f"rules[{number}]", faults, needed="name")
        for number, rule in enumerate(rules)
    ]
    _check(values, _POLICY, "policy", faults)
    for number, rule in enumerate(read):
        _check(rule, _RULE, f"rules[{number}]", faults)
    names = [rule.get("name") for rule in read]
    faults += [f"rules: the name '{name}' comes twice" for name in {*names} if names.count(name) > 1]
    if faults:
        raise SpecError("the policy has faults: " + "; ".join(faults), "correct them, then propose it again")
    if "reasons" in values:
        values["reasons"] = tuple(values["reasons"])
    return Policy(rules=tuple(PolicyRule(**rule) for rule in read), **values)


def as_data(policy: Policy) -> dict[str, Any]:
    """Return the policy as plain data: what `policy_of` reads."""
    return plain(policy)


def _known(
    data: Any, kind: type[Policy] | type[PolicyRule], where: str, faults: list[str], needed: str = ""
) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        faults.append(f"{where}: not a mapping of names to values")
        return {}
    names = [item.name for item in fields(kind)]
    for name in data:
        if name not in names:
            message, hint = unknown("field", str(name), names)
            faults.append(f"{where}: {message} ({hint})")
    if needed and not data.get(needed):
        faults.append(f"{where}: '{needed}' is missing")
    return {name: value for name, value in data.items() if name in names}


def _number(low: float, high: float) -> tuple[Any, str]:
    def holds(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high

    return holds, f"a number from {low:g} to {high:g}"


def _whole(low: int, high: int) -> tuple[Any, str]:
    return lambda value: type(value) is int and low <= value <= high, f"a whole number from {low} to {high}"


def _one_of(*choices: str) -> tuple[Any, str]:
    return lambda value: value in choices, " or ".join(choices)


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 200 and (value.isprintable() or not value)


def _bounds(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(each, Mapping)
        and each
        and each.keys() <= {"from", "below", "is"}
        and all(isinstance(each[end], int | float) for end in ("from", "below") if end in each)
        for each in value.values()
    )


_TEXT = (_text, "a text of up to 200 printable characters")
_TRUTH = (lambda value: value is None or isinstance(value, bool), "true, false or null")
_SHARE = _number(0.0, 1.0)
_RULE: Mapping[str, tuple[Any, str]] = {
    "name": _TEXT,
    "alert": _TRUTH,
    "abstained": _TRUTH,
    "probability_from": _SHARE,
    "probability_below": _number(0.0, 1.01),
    "inputs": (_bounds, 'as in {"amount": {"from": 1000, "below": 5000}} or {"channel": {"is": "web"}}'),
    "team": _TEXT,
    "approvals": _whole(1, MOST_APPROVALS),
    "approver": _one_of(*APPROVERS),
    "due_hours": _number(0.0, 24.0 * 3650),
    "release": _one_of(*RELEASES),
}
_POLICY: Mapping[str, tuple[Any, str]] = {
    "audit_share": _SHARE,
    "blind_share": _SHARE,
    "hourly_limit": _whole(0, 1_000_000),
    "lease_minutes": _number(1.0, 24.0 * 60),
    "reasons": (
        lambda value: isinstance(value, list | tuple) and bool(value) and all(map(_text, value)),
        "a list of texts",
    ),
    "salt": _TEXT,
}


def _check(
    values: Mapping[str, Any], table: Mapping[str, tuple[Any, str]], where: str, faults: list[str]
) -> None:
    for name, value in values.items():
        holds, wanted = table[name]
        if not holds(value):
            faults.append(f"{where}.{name}: {str(value)[:80]!r} is not {wanted}")
