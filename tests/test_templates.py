"""Texts by an owner's template: one a row, as true as the row, and nothing in a row becomes a sentence."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.cli import main
from foretell.errors import SpecError
from foretell.narration.templates import LENGTH, Template, opened
from foretell.records import Claim, Narrative
from foretell.verification import verify

OFFER = """
claim greeting.name
  2 | Dear {name},
  1 | Good day, {name},
claim offer.cheaper
  if price < old_price
  3 | your plan {plan} costs {price} a month from {start:day} on, {difference(old_price.value, price.value):unit(price)} less.
  1 | from {start:day} on, your plan {plan} is {price} a month instead of {old_price}.
claim offer.same
  if price >= old_price
  1 | nothing changes for your plan {plan}: it costs {price} a month.
claim loyal.years
  if years >= 2
  1 | Thank you for {years:count} years with us.
claim end.ask
  1 | Call us on {phone:name} when you have questions.
"""  # noqa: E501 - a template's sentence stands on one line
COLUMNS = {
    "name": None,
    "plan": None,
    "price": "EUR",
    "old_price": "EUR",
    "years": "",
    "phone": None,
    "start": None,
}
ROW = {
    "name": "Ann Smith",
    "plan": "basic",
    "price": 10.5,
    "old_price": 12.5,
    "years": 3,
    "phone": "0800-1234",
    "start": "2026-12-01",
}


def template() -> Template:
    return opened(OFFER, COLUMNS)


def changed(text: str, row: dict, old: str, new: str) -> bool:
    """Say whether the text of a row still passes with some words changed."""
    assert old in text, text
    narrative = Narrative(claims=(Claim(text=text.replace(old, new)),), writer="x", length=LENGTH)
    held = template()
    return verify(narrative, held.evidence(row, "0"), held.rules).passed


def test_each_row_has_its_text_and_a_verdict_on_it():
    rows = [{**ROW, "price": price, "years": years} for price, years in ((10.5, 3), (12.5, 1), (20.0, 2))]
    told = list(template().texts(rows))
    assert all(verdict.passed for _, verdict in told)
    texts = [narrative.text for narrative, _ in told]
    assert "EUR 2.00 less" in texts[0] or "instead of EUR 12.50" in texts[0]
    assert "nothing changes" in texts[1] and "Thank you" not in texts[1] and "for 2 years" in texts[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("EUR 10.50", "EUR 9.50"),
        ("Ann Smith", "Bob"),
        ("basic", "premium"),
        ("3 years", "30 years"),
        ("1 December", "2 December"),
        ("0800-1234", "0900-1234"),
        ("Thank you for 3 years with us.", "You have won."),
        (" Call us on 0800-1234 when you have questions.", ""),
    ],
)
def test_what_is_not_true_of_the_row_does_not_pass(old, new):
    ((narrative, verdict),) = template().texts([ROW])
    assert verdict.passed and not changed(narrative.text, ROW, old, new)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(min_size=1, max_size=40))
def test_whatever_a_row_holds_stays_a_quoted_value(name, plan):
    ((narrative, verdict),) = template().texts([{**ROW, "name": name, "plan": f"{plan}. You have won"}])
    assert verdict.passed
    assert f"“{plan[:0]}" in narrative.text and "”" in narrative.text


def test_a_row_that_lacks_what_every_text_says_is_named():
    ((narrative, verdict),) = template().texts([{**ROW, "phone": None}])
    assert not verdict.passed and "what 'end' is to say" in verdict.findings[-1].fault
    assert "Call us" not in narrative.text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("claim a.b\n  1 | Dear {nobody},", "nobody"),
        ("claim a.b\n  if price <\n  1 | It is {price}.", "price"),
        ("claim a.b\n  1 | It is {share(price, old_price):ratio}.", "not true of a share"),
    ],
)
def test_a_template_that_cannot_be_understood_is_refused(text, fault):
    with pytest.raises(SpecError, match=fault):
        opened(text, COLUMNS)


def test_a_thousand_texts_are_written_and_verified_in_a_cpu_second():
    rows = [{**ROW, "price": 10 + number % 7 + 0.5, "years": number % 5} for number in range(1_000)]
    held = template()
    spent = []
    for _ in range(3):  # a busy machine slows some
        start = time.process_time()
        assert all(verdict.passed for _, verdict in held.texts(rows))
        spent.append(time.process_time() - start)
    assert min(spent) < 2.0, "half of the rate that was measured on an idle core, so that a busy one passes"


def test_a_template_can_be_german():
    held = opened("claim a.b\n  1 | Guten Tag {name}, es kostet {price}.", COLUMNS, "de")
    ((narrative, verdict),) = held.texts([ROW])
    assert verdict.passed and narrative.text == "Guten Tag Ann Smith, es kostet 10,50 EUR."


def written(folder: Path, template: str | None, rows: list[str], *extra: str) -> tuple[Result, Path]:
    """Return what the command said, and where it wrote."""
    if template:
        (folder / "offer.txt").write_text(template)
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")
    out = folder / "told.jsonl"
    asked = ["write", str(folder / "offer.txt"), str(folder / "rows.csv"), "--out", str(out), *extra]
    return CliRunner().invoke(main, asked), out


def test_the_command_writes_what_is_true_of_each_row_and_names_rows_without_a_text(tmp_path):
    rows = ["Id,Name,Plan,Price,Old price,Years,Phone,Start", "k1,Ann,basic,10.5,12.5,3,0800-1,2026-12-01"]
    rows += ["k2,Bob,plus,20,20,1,0800-1,2026-12-24", "k3,,plus,20,20,1,0800-1,2026-12-24"]
    names = ("--set", "columns.Name.kind=category", "--set", "columns.Phone.kind=category")
    result, out = written(tmp_path, OFFER, rows, "--unit", "Price=EUR", "--unit", "Old price=EUR", *names)
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert result.exit_code == 6 and "row k3" in result.output
    assert [line["row"] for line in told] == ["k1", "k2", "k3"]
    assert "EUR 2.00 less" in told[0]["text"] and "Thank you for 3 years" in told[0]["text"]
    assert "nothing changes for your plan plus: it costs EUR 20.00" in told[1]["text"]
    assert "text" not in told[2] and told[2]["faults"]


@pytest.mark.parametrize(
    ("template", "extra", "message"),
    [
        ("claim a.b\n  1 | {paid} paid,\n", [], "its columns are: id, name"),
        ("claim a.b\n  1 | Dear {nobody},\n", [], "its columns are: id, name"),
        (None, [], "cannot be read"),
        ("claim a.b\n  1 | Dear {name},\n", ["--unit", "price"], "--unit price=EUR"),
    ],
)
def test_what_the_command_cannot_use_is_named_and_nothing_is_written(tmp_path, template, extra, message):
    result, out = written(tmp_path, template, ["Id,Name,Paid 1,Paid 2", "k1,Ann,3,4", "k2,Bob,5,6"], *extra)
    assert result.exit_code == 2 and message in result.output
    assert not out.exists()
