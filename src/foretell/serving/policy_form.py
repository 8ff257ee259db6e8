"""A policy as a form: its fields as people type them, read back as the plain data of a policy."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foretell.cases.policy import Policy, PolicyRule

ENDS = {"from": "is at least", "below": "is below", "is": "is"}
"""How a column is compared -> the words for it."""
RULE = (
    "name",
    "alert",
    "abstained",
    "from",
    "below",
    "team",
    "approvals",
    "approver",
    "due_hours",
    "release",
)
SETTINGS = ("audit_share", "blind_share", "hourly_limit", "lease_minutes", "reasons", "salt")
NEW = {"alert": "", "abstained": "", "approvals": "1", "approver": "reviewer", "release": "people"}
TRUTHS = {"": None, "yes": True, "no": False}
_FIELD = re.compile(r"rule-(\d{1,4})-(\w+?)(?:-(\d{1,4}))?")


@dataclass(slots=True)
class RuleDraft:
    """A rule as it is typed."""

    fields: dict[str, str]
    conditions: list[tuple[str, str, str]] = field(default_factory=list)
    """Column, how it is compared, and with what."""


@dataclass(slots=True)
class Draft:
    """A policy as it is typed."""

    settings: dict[str, str]
    rules: list[RuleDraft]


def drawn(policy: Policy) -> Draft:
    """Return a policy as its form shows it."""
    return Draft(
        {
            "audit_share": _percent(policy.audit_share),
            "blind_share": _percent(policy.blind_share),
            "hourly_limit": str(policy.hourly_limit),
            "lease_minutes": _plain(policy.lease_minutes),
            "reasons": "\n".join(policy.reasons),
            "salt": policy.salt,
        },
        [_drawn(rule) for rule in policy.rules],
    )


def _drawn(rule: PolicyRule) -> RuleDraft:
    truths = {value: text for text, value in TRUTHS.items()}
    return RuleDraft(
        {
            "name": rule.name,
            "alert": truths[rule.alert],
            "abstained": truths[rule.abstained],
            "from": _percent(rule.probability_from) if rule.probability_from else "",
            "below": _percent(rule.probability_below) if rule.probability_below <= 1 else "",
            "team": rule.team,
            "approvals": str(rule.approvals),
            "approver": rule.approver,
            "due_hours": _plain(rule.due_hours) if rule.due_hours else "",
            "release": rule.release,
        },
        [
            (column, end, _written(value))
            for column, bounds in rule.inputs.items()
            for end, value in bounds.items()
        ],
    )


def typed(form: Mapping[str, str]) -> Draft:
    """Return what somebody typed into the form."""
    rules: dict[int, RuleDraft] = {}
    conditions: dict[tuple[int, int], dict[str, str]] = {}
    for name, value in form.items():
        if (match := _FIELD.fullmatch(name)) is None:
            continue
        rule = rules.setdefault(int(match[1]), RuleDraft(dict(NEW)))
        if match[3]:
            conditions.setdefault((int(match[1]), int(match[3])), {})[match[2]] = value
        elif match[2] in RULE:
            rule.fields[match[2]] = value
    for (number, _), each in sorted(conditions.items()):
        if each.get("column"):
            rules[number].conditions.append((each["column"], each.get("end", ""), each.get("value", "")))
    return Draft({name: form.get(name, "") for name in SETTINGS}, [rule for _, rule in sorted(rules.items())])


def data_of(draft: Draft) -> dict[str, Any]:
    """Return the plain data that a form stands for; what cannot be read stays as it was typed."""
    settings = draft.settings
    return {
        "rules": [_rule(rule) for rule in draft.rules],
        "audit_share": _share(settings["audit_share"]),
        "blind_share": _share(settings["blind_share"]),
        "hourly_limit": _number(settings["hourly_limit"]),
        "lease_minutes": _number(settings["lease_minutes"]),
        "reasons": [line for line in settings["reasons"].splitlines() if line.strip()],
        "salt": settings["salt"],
    }


def _rule(draft: RuleDraft) -> dict[str, Any]:
    fields = {name: draft.fields.get(name, "") for name in RULE}
    inputs: dict[str, dict[str, Any]] = {}
    for column, end, value in draft.conditions:
        inputs.setdefault(column, {})[end] = _read(value)
    return {
        "name": fields["name"],
        "alert": TRUTHS.get(fields["alert"], fields["alert"]),
        "abstained": TRUTHS.get(fields["abstained"], fields["abstained"]),
        "probability_from": _share(fields["from"] or "0"),
        "probability_below": _share(fields["below"] or "101"),
        "inputs": inputs,
        "team": fields["team"],
        "approvals": _number(fields["approvals"]),
        "approver": fields["approver"],
        "due_hours": _number(fields["due_hours"] or "0"),
        "release": fields["release"],
    }


def changed(draft: Draft, what: str) -> None:
    """Add a rule (`add`), or move or remove one (`up-2`, `down-2`, `remove-2`); nothing for other words."""
    if what == "add":
        draft.rules.append(RuleDraft(dict(NEW)))
    verb, _, number = what.partition("-")
    at = int(number) if re.fullmatch(r"\d{1,4}", number) else len(draft.rules)
    if at >= len(draft.rules):
        return
    rule = draft.rules.pop(at)
    if verb != "remove":
        draft.rules.insert(max(0, at + {"up": -1, "down": 1}.get(verb, 0)), rule)


def _percent(share: float) -> str:
    return _plain(float(f"{100 * share:.12g}"))


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        return text
    return int(value) if value.is_integer() else value


def _share(text: str) -> Any:
    value = _number(text)
    return value if isinstance(value, str) else float(f"{value / 100:.12g}")


def _written(value: Any) -> str:
    """Return a value to compare with as it is typed: a text that reads like a number stands in quotes."""
    return (
        value if isinstance(value, str) and _read(value) == value else json.dumps(value, ensure_ascii=False)
    )


def _read(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    odd = isinstance(value, float) and not math.isfinite(value)
    return text if odd or value is None or isinstance(value, list | dict) else value
