"""One event at a time: the numbers of the batch, whatever the file held; revised, forgotten, restarted."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from heapq import heappop, heappush

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foretell.data.dataset import Column
from foretell.data.kinds import kind
from foretell.data.reading import read
from foretell.data.sources import load
from foretell.data.table import fit_schema
from foretell.errors import CheckpointError, DataError
from foretell.prediction import encoding
from foretell.prediction.encoding import RowEncoder
from foretell.prediction.features import Snapshot, own_features
from foretell.prediction.folder import write_fitted
from foretell.prediction.live import Answer, Live
from foretell.prediction.resting import open_snapshot, store_snapshot
from foretell.spec import ColumnSpec, DataSpec, Spec, TaskSpec
from learning_worlds import payments_fit


def raw_rows() -> list[dict]:
    return payments_fit().dataset.frame.to_dicts()


def played(live: Live, rows: range, waiting: list[tuple[int, int]]) -> list[Answer]:
    """Play rows of the data set in order, each after the labels that had arrived by its instant."""
    dataset, raw, answers = payments_fit().dataset, raw_rows(), []
    for row in rows:
        while waiting and waiting[0][0] <= dataset.at_us[row]:
            known_at, late = heappop(waiting)
            at = datetime.fromtimestamp(known_at / 1e6, UTC)
            live.label(str(dataset.ids[late]), bool(dataset.target[late]), at)
        answers.append(live.event(raw[row]))
        heappush(waiting, (int(dataset.known_at_us[row]), row))
    return answers


def nothing() -> Snapshot:
    return Snapshot.empty(payments_fit().fitted.featurizer.plan)


def states(snapshot: Snapshot) -> dict[tuple[str, str], bytes]:
    """Return the state of each entity by its name: slots may be given in another order."""
    return {
        (column, name): snapshot.state[slot].tobytes() + snapshot.touched[slot].tobytes()
        for column, name, slot in snapshot.register.iter_rows()
    }


def test_live_answers_are_those_of_the_batch_on_all_events():
    fit = payments_fit()
    scored = fit.fitted.score(fit.dataset, np.arange(len(fit.dataset)))
    live = Live(fit.fitted, nothing())
    answers = played(live, range(len(fit.dataset)), [])
    np.testing.assert_array_equal([answer.logit for answer in answers], scored.logits)
    np.testing.assert_allclose(
        [answer.probability for answer in answers], scored.probabilities, rtol=0, atol=1e-12
    )
    assert [answer.alert for answer in answers] == (scored.probabilities >= fit.fitted.threshold).tolist()
    assert [answer.id for answer in answers] == fit.dataset.ids.tolist()


def test_live_goes_on_where_the_batch_stood_and_its_late_labels_count_when_their_time_comes():
    fit, half = payments_fit(), 4000
    whole = fit.fitted.score(fit.dataset, np.arange(half, half + 1500))
    features = fit.fitted.featurizer
    first = fit.dataset.take(np.arange(half))
    before = nothing()
    batch = features.replay(features.events(first, before.register), before, keep=np.zeros(0, np.int64))
    assert len(batch.after.labels) > 0
    answers = played(Live(fit.fitted, batch.after), range(half, half + 1500), [])
    np.testing.assert_array_equal([answer.logit for answer in answers], whole.logits)


def test_a_restart_from_a_snapshot_on_disk_is_exact(tmp_path):
    fit = payments_fit()
    kept, stopped = Live(fit.fitted, nothing(), remember=1000), Live(fit.fitted, nothing(), remember=1000)
    waiting, again = [], []
    played(kept, range(1500), waiting)
    played(stopped, range(1500), again)
    store_snapshot(stopped.snapshot(), tmp_path / "at-rest", model=fit.fitted.digest)
    restarted = Live(fit.fitted, open_snapshot(tmp_path / "at-rest", model=fit.fitted.digest), remember=1000)
    assert played(kept, range(1500, 2500), waiting) == played(restarted, range(1500, 2500), again)
    one, other = kept.snapshot(), restarted.snapshot()
    assert states(one) == states(other)
    assert one.remembered.ids == other.remembered.ids
    assert one.remembered.count == other.remembered.count == 2500
    for name in ("slots", "happened_at", "excused", "labels", "counted_at"):
        np.testing.assert_array_equal(getattr(one.remembered, name), getattr(other.remembered, name))


def test_a_snapshot_of_another_model_is_refused(tmp_path):
    store_snapshot(nothing(), tmp_path / "at-rest", model="one")
    with pytest.raises(CheckpointError, match="another model's snapshot"):
        open_snapshot(tmp_path / "at-rest", model="another")


def test_a_label_revised_at_once_leaves_what_the_right_label_leaves():
    fit = payments_fit()
    right, wrong = Live(fit.fitted, nothing()), Live(fit.fitted, nothing())
    for live in (right, wrong):
        for row in raw_rows()[:300]:
            live.event(row)
    name, at = str(fit.dataset.ids[250]), raw_rows()[299]["at"]
    right.label(name, True, at)
    for positive in (False, True, True, False, True):
        wrong.label(name, positive, at)
    start = 7 + 2 * len(fit.fitted.featurizer.plan.numbers)
    np.testing.assert_allclose(
        right.snapshot().state[:, start:], wrong.snapshot().state[:, start:], rtol=1e-5, atol=1e-5
    )
    assert wrong.snapshot().remembered.labels[250] == 1


def test_an_event_is_counted_once_and_an_event_that_is_not_remembered_cannot_be_labelled():
    fit, raw = payments_fit(), raw_rows()
    live = Live(fit.fitted, nothing(), remember=10)
    answers = [live.event(row) for row in raw[:25]]
    before = states(live.snapshot())
    with pytest.raises(DataError, match="counted already"):
        live.event(raw[20])
    with pytest.raises(DataError, match="not remembered"):
        live.label(answers[14].id, True, raw[24]["at"])
    assert states(live.snapshot()) == before
    live.label(answers[15].id, True, raw[24]["at"])
    assert states(live.snapshot()) != before
    assert len(live.snapshot().remembered.ids) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": [1, 2]}, "'amount' of the event holds list"),
        ({"amount": object()}, "'amount' of the event cannot be read"),
        ({"at": None}, "no instant in 'at'"),
        ({"at": "yesterday"}, "no instant in 'at'"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_and_not_counted(change, message):
    live, row = Live(payments_fit().fitted, nothing()), raw_rows()[0]
    with pytest.raises(DataError, match=message):
        live.event(row | change)
    assert live.snapshot().remembered.count == 0
    assert live.event(row).id == str(payments_fit().dataset.ids[0])


def test_a_row_without_a_column_is_refused_with_the_nearest_name():
    row = raw_rows()[0]
    row["amuont"] = row.pop("amount")
    with pytest.raises(DataError, match="no column 'amount'") as refused:
        Live(payments_fit().fitted, nothing()).event(row)
    assert refused.value.hint == "did you mean 'amuont'?"


def test_unknown_entities_get_slots_of_their_own_beyond_any_size():
    live, row = Live(payments_fit().fitted, nothing()), raw_rows()[0]
    first = live.event(row | {"customer": "new 0"})
    for number in range(1, 3000):
        live.event(row | {"transaction_id": f"t{number}", "customer": f"new {number}"})
    after = live.snapshot()
    assert len(after.state) == len(after.register) == 3001
    assert live.event(row | {"transaction_id": "last", "customer": None}).logit != first.logit


ODD = """\
id;when;shop;amount;weight;channel;note;born;target
1;2024-03-01T10:00:00;s1;12.5;1;online;two words here;2001-02-03;no
2;2024-03-01 10:00:00.250000;s1;1,200.75;;ONLINE;;1999-12-31;yes
 3 ;2024-03-02T23:59:59Z; s2 ;-0;nan;online ;words and words;;no
4;2024-03-03;NA;1e3;inf;?;more words yet;2001-02-03 04:05;yes
5;2024-03-04 07:08;s3;;3.25;shop;here are words;x;no
6;2024-03-05T00:00:00+02:00;é;.5;007;shop;two words more;2001-02-03T04:05:06;no
"""


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_row_read_alone_has_the_features_it_has_in_its_file(tmp_path, form):
    path = tmp_path / f"odd.{form}"
    if form == "csv":
        path.write_text(ODD)
    else:
        frame = pl.read_csv(ODD.encode(), separator=";", infer_schema_length=None)
        whole = pl.Series("when", [datetime(2024, 3, day, 4, 5, 6, 789) for day in range(1, 7)])
        weight = pl.Series("weight", [1, None, 3, 4, 5, 6], dtype=pl.Int32)
        frame.with_columns(whole.cast(pl.Datetime("ms")), weight, born=date(2001, 2, 3)).write_parquet(path)
    columns = {"shop": "entity", "amount": "number", "weight": "number", "channel": "category"}
    columns |= {"note": "text", "born": "time"}
    spec = Spec(
        data=DataSpec(source=str(path), target="target", id="id", time="when"),
        columns={name: ColumnSpec(kind=kind) for name, kind in columns.items()},
        task=TaskSpec(positive="yes"),
    )
    dataset = read(spec)
    schema = fit_schema(dataset, np.arange(3))
    wanted, names, _, _ = own_features(dataset, schema)
    assert "weight.missing" in names
    encode = RowEncoder(schema, ("shop",), ("amount", "weight"))
    numbers, own = np.empty(2), np.empty(len(names), np.float32)
    at = dict(zip(dataset.ids.tolist(), range(len(dataset)), strict=True))
    for raw in load(spec.data).frame.to_dicts():
        name, at_us, entities = encode(raw, numbers, own)
        row = at[name]
        assert at_us == dataset.at_us[row]
        assert entities == [dataset.frame["shop"][row] or ""]
        np.testing.assert_array_equal(numbers, dataset.frame["amount", "weight"].to_numpy()[row])
        np.testing.assert_array_equal(own, wanted[row])


def column(name: str, of: str) -> Column:
    return Column(name=name, kind=of, role="input", text=name, reason="")


texts = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"\A[+-]?[0-9]{0,20}(\.[0-9]{0,20})?\Z"),
    st.sampled_from(["NA", "n/a", "None", "-", " 7 ", "1,234.5", "1e400", "0x1", "_", "1_0", "٣", "NaN"]),
)
cells = st.one_of(st.none(), st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans(), texts)


@settings(max_examples=300, deadline=None)
@given(cells)
@example(-0.0)
@example(2**53 + 1)
@example("0.1000000000000000055511151231257827")
def test_a_number_and_a_name_read_alone_are_what_their_kinds_repair(value):
    number, name = column("n", "number"), column("e", "entity")
    read = encoding._number_reader(number)(value)
    wanted = kind("number").repair(pl.Series("n", [value]))[0].to_numpy()
    np.testing.assert_array_equal(np.array([read]), wanted)
    assert encoding._name_reader(name)(value) == (kind("entity").repair(pl.Series("e", [value]))[0][0] or "")


instants = st.one_of(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),
    st.datetimes().map(str),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z?\Z"),
    st.integers(-(10**18), 10**18),
    st.dates(),
    st.sampled_from(["20240301", "2024-W01-1", "2024-02-30 00:00:00", "", None, "2024-03-01T24:00:00"]),
)


@settings(max_examples=300, deadline=None)
@given(instants)
def test_an_instant_read_alone_is_what_its_kind_repairs_and_encodes(value):
    repaired = kind("time").repair(pl.Series("t", [value]))[0]
    us = encoding._instant_reader(column("t", "time"))(value)
    assert us == repaired.to_physical()[0]
    if us is not None:
        for state in ({}, {"reference_us": 1_500_000_000_000_000}):
            found = encoding._time_reader(column("t", "time"), state)(value)
            np.testing.assert_array_equal(found, kind("time").encode(repaired, state)[0])


def test_serving_loads_neither_torch_nor_lightgbm(tmp_path):
    fitted = replace(payments_fit().fitted, snapshot=nothing())
    write_fitted(fitted, tmp_path / "model", fingerprint="", card="")
    row = raw_rows()[0] | {"at": raw_rows()[0]["at"].isoformat()}
    program = (
        "import sys; from pathlib import Path; from foretell.prediction.folder import open_fitted;"
        "from foretell.prediction.live import Live;"
        f"answer = Live(open_fitted(Path({str(tmp_path / 'model')!r}))).event({row!r});"
        "print(answer.logit, *[name for name in ('torch', 'lightgbm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(Live(fitted, nothing()).event(row).logit)]
