"""The border refuses what is wrong, all at once and by name, and what it accepts loads back equal."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell import models, narration, tasks
from foretell.border import checking, document, dump_spec, initial_spec, json_schema, load_spec
from foretell.border.checking import RULES
from foretell.border.reading import LARGEST
from foretell.data.inference import GENERATE
from foretell.errors import SpecError
from foretell.records import plain
from foretell.spec import ColumnSpec, DataSpec, ModelSpec, ReviewSpec, Spec, TaskSpec, TrainSpec

TWO_LINES = "source: rows.csv\ntarget: fraud\n"
WHOLE = Path(__file__).parent.parent / "docs" / "spec.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spec")


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "fraud.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return path


def faults(folder: Path, text: str, overrides: tuple[str, ...] = ()) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(write(folder, text), overrides)
    return caught.value.message


def accepts_or_refuses(source: Any, overrides: tuple[str, ...] = ()) -> Spec | None:
    try:
        spec = load_spec(source, overrides)
    except SpecError as error:
        assert error.message and error.exit_code == 2
        return None
    assert isinstance(spec, Spec)
    return spec


def test_two_lines_are_a_spec(folder):
    spec = load_spec(write(folder, TWO_LINES))
    assert spec == Spec(data=DataSpec(source=str(folder / "rows.csv"), target="fraud"))


def test_file_mapping_and_spec_are_read_alike(folder):
    long = "source: /rows.csv\ntarget: fraud\ntrain: {seed: 3, epochs: 2}\nmodel: {ensemble: false}\n"
    mapping = {
        "data": {"source": Path("/rows.csv"), "target": "fraud"},
        "train": {"seed": np.int64(3), "epochs": 2},
        "model": {"ensemble": False},
    }
    spec = load_spec(write(folder, long))
    assert spec == load_spec(mapping) == load_spec(spec)
    assert (spec.train, spec.model) == (TrainSpec(seed=3, epochs=2.0), ModelSpec(ensemble=False))


def test_every_fault_is_told_at_once_with_line_path_value_and_nearest_name(folder):
    text = """\
source: rows.csv
data: {targt: fraud, label_delay: 7}
split: {by: tme, test_share: 1.5}
train:
  seed: three
  seed: 4
  epoch: 3
epochs: 3
model: {families: recurrent, ensemble: nope}
review: {cost_miss: 3, capacity: -1}
columns:
  amount: {kind: numbr}
task: {name: clasify}
"""
    told = faults(folder, text, ("train.threads=-1", "out.x=3", "nothing")).splitlines()[1:]
    assert [line.strip() for line in told] == [
        "fraud.yaml:2: data.targt: unknown name 'targt' (did you mean 'target'?)",
        "fraud.yaml:2: data.label_delay: '7' must be a duration such as 0s, 12h or 7d",
        "fraud.yaml:2: data.target: '' must name the column to predict",
        "fraud.yaml:3: split.by: 'tme' must be one of time, group, random (did you mean 'time'?)",
        "fraud.yaml:3: split.test_share: '1.5' must lie between 0 and 1, both excluded",
        "fraud.yaml:5: train.seed: 'three' must be a whole number",
        "fraud.yaml:6: 'seed' is stated twice, first on line 5",
        "fraud.yaml:7: train.epoch: unknown name 'epoch' (did you mean 'epochs'?)",
        "fraud.yaml:8: epochs: unknown name 'epochs' (did you mean 'train.epochs'?)",
        "fraud.yaml:9: model.families: 'recurrent' must be a list, as in [a, b]",
        "fraud.yaml:9: model.ensemble: 'nope' must be true or false",
        "fraud.yaml:10: review.capacity: '-1' must be from 0 to 1,000,000,000",
        "fraud.yaml:10: review.cost_miss: '3.0' must come together with review.cost_review: "
        "state both above 0, or neither",
        "fraud.yaml:12: columns.amount.kind: 'numbr' must be one of number, category, time, text, entity "
        "(did you mean 'number'?)",
        "fraud.yaml:13: task.name: 'clasify' must be one of classify, regress, generate "
        "(did you mean 'classify'?)",
        "override 'nothing': write it as section.field=value",
        "override 'out.x=3': out: names with values must be text",
        "override 'train.threads=-1': train.threads: '-1' must be from 0 to 4,096",
    ]


def test_another_language_needs_the_owners_words_for_row_and_outcome(folder):
    german = TWO_LINES + "narrate: {language: de}\n"
    assert "needs data.row_text and task.positive_text in that language" in faults(folder, german)
    named = german + "data: {row_text: Zahlung}\ntask: {positive_text: Betrug}\n"
    assert load_spec(write(folder, named)).narrate.language == "de"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("source: [a\ntarget: b\n", "fraud.yaml:2:7: not YAML"),
        ("source: a\n\ttarget: b\n", "fraud.yaml:2:1: not YAML"),
        ("[" * 5000, "more than 8 levels"),
        ("a: &a [x, x]\nb: [*a, *a]\n", "alias '*a'"),
        ("source: !!python/object/apply:os.system [ls]\n", "tag 'tag:yaml.org,2002:python"),
        ("source: a\n---\nsource: b\n", "a second document"),
        ("? [a, b]\n: c\n", "a name must be text"),
        ('source: "\\UFFFFFFFF"\n', "not YAML"),
        ("source: a\x07b\n", "not YAML"),
        ("just words\n", "a spec is made of names with values"),
        ("", "data.source: '' must name"),
        (TWO_LINES + "#" * LARGEST, "larger than"),
    ],
)
def test_a_malformed_file_is_refused_with_its_place(folder, text, where):
    assert where in faults(folder, text)


def test_a_missing_file_names_the_nearest_one(folder):
    write(folder, TWO_LINES)
    with pytest.raises(SpecError, match="did you mean") as caught:
        load_spec(folder / "frud.yaml")
    assert "fraud.yaml" in caught.value.hint
    for path in (folder, folder / "\0", folder / "no" / "such.yaml"):
        assert accepts_or_refuses(path) is None
    assert accepts_or_refuses(write(folder, b"source: \xff\n")) is None


@pytest.mark.parametrize(
    "word", ["no", "on", "010", "1.50", "1e3", "12:30", "0x1F", "2018-01-01", "1_000", "true"]
)
def test_a_text_field_keeps_what_is_written(folder, word):
    assert load_spec(write(folder, f"{TWO_LINES}task: {{positive: {word}}}")).task.positive == word


@pytest.mark.parametrize(("word", "value"), [("yes", True), ("on", True), ("no", False), ("False", False)])
def test_a_truth_field_takes_words_for_truth(folder, word, value):
    assert load_spec(write(folder, f"{TWO_LINES}model: {{ensemble: {word}}}")).model.ensemble is value


def test_whole_numbers_are_read_in_base_ten(folder):
    assert load_spec(write(folder, f"{TWO_LINES}train: {{seed: 010}}")).train.seed == 10
    assert "train.seed: '0x10' must be a whole number" in faults(folder, f"{TWO_LINES}train: {{seed: 0x10}}")


@pytest.mark.parametrize("empty", ["", "~", "null"])
def test_an_empty_value_means_the_default(folder, empty):
    spec = load_spec(write(folder, f"{TWO_LINES}train: {{seed: {empty}}}\nreview: {empty}\n"))
    assert (spec.train, spec.review) == (TrainSpec(), ReviewSpec())


def test_the_last_override_wins_and_values_are_yaml(folder):
    overrides = (
        *(
            "train.seed=3",
            "train.seed=4",
            "model.families=[recurrent, transformer]",
            "columns.amount.unit=EUR",
        ),
        *("target=label", "review={capacity: 7}"),
    )
    spec = load_spec(write(folder, TWO_LINES + "review: {abstain: 0.1}"), overrides)
    assert (spec.train.seed, spec.data.target, spec.model.families) == (
        4,
        "label",
        ("recurrent", "transformer"),
    )
    assert (spec.columns, spec.review) == ({"amount": ColumnSpec(unit="EUR")}, ReviewSpec(capacity=7))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("rows.csv", "{folder}/rows.csv"),
        ("../a/*.csv", "{folder}/../a/*.csv"),
        ("/abs/rows.csv", "/abs/rows.csv"),
        ("sqlite:///rows.db", "sqlite:///rows.db"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("~/rows.csv", "{home}/rows.csv"),
        ("~nobody-of-this-name/rows.csv", "{folder}/~nobody-of-this-name/rows.csv"),
    ],
)
def test_a_relative_source_counts_from_the_spec_files_folder(folder, written, read):
    source = load_spec(write(folder, f"source: {written}\ntarget: y\n")).data.source
    assert source == read.format(folder=folder, home=Path.home())
    beside = load_spec(write(folder, TWO_LINES), (f"source={written}",)).data.source
    assert beside == read.format(folder=Path.cwd(), home=Path.home())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("split: {train_from: 2018-02-01, train_until: 2018-01-01}", "split.train_until"),
        ("split: {train_until: 2018-02-01, test_from: 2018-01-01T00:00+02:00}", "split.test_from"),
        ("split: {by: group}", "split.by"),
        ("split: {by: random, test_from: 2018-01-01}", "split.by"),
        ("data: {exclude: [fraud]}", "data.exclude"),
        ("data: {id: fraud}", "data.id"),
        ("train: {epochs: .nan}", "train.epochs"),
        ("train: {epochs: nan}", "train.epochs"),
        ("train: {learning_rate: inf}", "train.learning_rate"),
        ("review: {abstain: 0.5}", "review.abstain"),
        ("review: {retire_for: 0d}", "review.retire_for"),
        ("review: {retire_known: true}", "review.retire_known"),
        ("explain: {history_days: [7, 7]}", "explain.history_days"),
        ("explain: {history_days: []}", "explain.history_days"),
        ("model: {half_lives: [1h, 0d]}", "model.half_lives.1"),
        ("model: {families: [event_streem]}", "did you mean 'event_stream'"),
        ("narrate: {writer: 'package.module:'}", "narrate.writer"),
        ("narrate: {glossary: {amount: ''}}", "narrate.glossary.amount"),
    ],
)
def test_values_outside_their_rule_are_refused(folder, text, told):
    assert told in faults(folder, TWO_LINES + text)


def test_a_dotted_path_stands_for_a_row_of_a_table(folder):
    spec = load_spec(write(folder, f"{TWO_LINES}narrate: {{writer: 'house.writers:Formal'}}"))
    assert spec.narrate.writer == "house.writers:Formal"


texts = st.text(max_size=12)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, st.binary(max_size=3), st.dates(),
    st.sampled_from(["yes", "010", "7d", "time", "event_stream", "a.b:C", "*a", "!!int 3", "\ud800"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers(), inner, max_size=3),
    max_leaves=8,
)
PATHS = sorted(
    {tuple(rule.path.replace(".*", "").split(".")) for rule in RULES} | {("columns", "amount", "kind")}
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A valid spec in which a few entries were replaced, added or misspelt."""
    spec = plain(
        load_spec({"source": "/rows.csv", "target": "fraud", "columns": {"amount": {"kind": "number"}}})
    )
    for _ in range(draw(st.integers(0, 4))):
        *parents, name = draw(st.sampled_from(PATHS))
        place = spec
        for key in parents:
            if not isinstance(place.get(key), dict):
                place[key] = {}
            place = place[key]
        if draw(st.booleans()):
            name = name[:-1] + draw(texts)
        place[name] = draw(values)
    return spec


@settings(max_examples=250, deadline=None)
@given(st.text() | st.text(alphabet="ab:-[]{}&*!|>'\"#%@?, \n\t0.\\U", max_size=60))
def test_any_text_is_a_spec_or_a_spec_error(folder, text):
    accepts_or_refuses(write(folder, text))
    accepts_or_refuses(
        {"source": "a", "target": "b"}, (text, f"train.seed={text}", f"columns.{text}.kind=number")
    )


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_any_bytes_are_a_spec_or_a_spec_error(folder, data):
    accepts_or_refuses(write(folder, data))


@settings(max_examples=250, deadline=None)
@given(mutated() | values)
def test_a_mutated_spec_is_a_spec_or_a_spec_error_and_loads_back_equal(folder, mapping):
    if isinstance(mapping, Mapping):
        spec = accepts_or_refuses(mapping)
        if spec is not None:
            text = dump_spec(spec)
            again = load_spec(write(folder, text))
            assert again == spec
            assert dump_spec(again) == text
    accepts_or_refuses(write(folder, yaml.dump(mapping, allow_unicode=True)))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(texts, texts.filter(bool), max_size=3), texts)
def test_any_words_of_the_owner_load_back_equal(folder, glossary, positive):
    spec = accepts_or_refuses(
        {"source": "/a", "target": "b", "task": {"positive": positive}, "narrate": {"glossary": glossary}}
    )
    if spec is not None:
        assert load_spec(write(folder, dump_spec(spec))) == spec
        assert (spec.narrate.glossary, spec.task.positive) == (glossary, positive)


def records(kind: Any = Spec) -> list[Any]:
    return [
        Spec,
        *{type(getattr(Spec(data=DataSpec()), item.name)) for item in fields(kind)} - {dict, str},
        ColumnSpec,
    ]


def test_the_schema_describes_every_field_and_its_choices():
    schema = json_schema()
    for kind in records():
        entry = schema if kind is Spec else schema["$defs"][kind.__name__]
        assert entry["description"] == kind.__doc__
        for item in fields(kind):
            found = entry["properties"][item.name]
            assert "$ref" in found or item.name == "columns" or found["description"], (kind, item.name)
    assert schema["$defs"]["ColumnSpec"]["properties"]["kind"]["anyOf"][0]["enum"][:2] == ["", "number"]
    assert schema["$defs"]["ModelSpec"]["properties"]["families"]["items"]["anyOf"][0]["enum"][0] == "suited"


def test_every_number_of_the_spec_has_a_rule():
    spec = plain(load_spec({"source": "a", "target": "b"}))
    sections = {name: part for name, part in spec.items() if isinstance(part, dict)}
    numbers = {
        f"{name}.{key}"
        for name, part in sections.items()
        for key, value in part.items()
        if type(value) in (int, float)
    }
    assert numbers and numbers <= {rule.path for rule in RULES}


def test_the_names_that_the_border_knows_are_those_of_the_tables():
    assert set(checking.TASKS) == {*tasks.TASKS, GENERATE}
    assert set(checking.WRITERS) == set(narration.WRITERS)
    assert set(checking.FAMILIES) == {models.SUITED, *models.FAMILIES}


def test_the_floor_alone_may_be_asked_for(folder):
    assert load_spec(write(folder, TWO_LINES), ("model.families=[]",)).model.families == ()


def test_the_documentation_is_current():
    assert WHOLE.read_text(encoding="utf-8") == document(), "run `make docs`"


@dataclass
class Column:
    name: str
    kind: str = "number"
    role: str = "input"
    unit: str = ""
    text: str = ""
    reason: str = ""
    facts: dict = field(default_factory=dict)


@dataclass
class Table:
    spec: Spec
    columns: list[Column]


@settings(max_examples=50, deadline=None)
@given(st.lists(texts.filter(str.strip), min_size=4, max_size=6, unique=True), texts, texts)
def test_a_first_spec_states_each_column_with_its_reason(folder, names, reason, positive):
    target, key, left, amount, *rest = names
    facts = {"positive": positive, "positives": 3, "negatives": 9}
    table = Table(
        Spec(data=DataSpec(source="/rows.csv")),
        [
            Column(target, "category", "target", reason=reason, facts=facts),
            Column(key, "category", "id"),
            Column(left, "text", "excluded", reason=reason),
            Column(amount, unit="EUR", text="amount paid", reason=reason),
            *(Column(name, "entity") for name in rest),
        ],
    )
    spec = load_spec(write(folder, initial_spec(table)))
    assert spec.data.source == "/rows.csv"
    assert (spec.data.target, spec.data.id, spec.data.exclude) == (target, key, (left,))
    assert spec.columns[amount] == ColumnSpec(kind="number", unit="EUR", text="amount paid")
    assert set(spec.columns) == set(names)
    assert (spec.task, spec.review) == (TaskSpec(positive=positive), ReviewSpec())


def test_a_first_spec_keeps_all_that_was_stated(folder):
    stated = (
        "data.label_delay=2d", "data.row_text=visit", "task.positive='no: # not'", "task.positive_text=churn",
        "split.by=random", "model.families=[]", "train.seed=3", "explain.history_days=[1, 9]",
        "narrate.checks={age: 'Ask: \"why\" #1'}", "narrate.length=long", "review.capacity=7",
        "review.entity=shop", "review.retire_known=true", "review.cost_miss=5",
        "review.cost_review=1", "review.abstain=.1", "out=here",
    )  # fmt: skip
    spec = load_spec({"source": "/rows.csv", "target": "left"}, stated)
    facts = {"positive": spec.task.positive, "positives": 3, "negatives": 9}
    columns = [Column("left", "category", "target", facts=facts), Column("shop", "entity")]
    again = load_spec(write(folder, initial_spec(Table(spec, columns))))
    assert replace(again, columns={}) == spec


def test_every_section_of_a_first_spec_is_commented(folder):
    spec = load_spec({"source": "/rows.csv", "target": "left"})
    facts = {"positive": "yes", "positives": 3, "negatives": 9}
    columns = [
        Column("left", "category", "target", reason="named as the target", facts=facts),
        Column("at", "time", "time", reason="it holds instants"),
        Column("shop", "entity", reason="its values return"),
    ]
    text = initial_spec(Table(spec, columns))
    assert "positive: 'yes'  # the rarer of the target's two values: 3 of 12 rows" in text
    assert "capacity: 0  # as many reviews a day as there usually are positives" in text
    assert "# entity: shop  # uncomment" in text
    assert load_spec(write(folder, text.replace("# entity: shop", "entity: shop"))).review.entity == "shop"
    bare = [line for line in text.splitlines() if ": " in line and "#" not in line]
    assert bare == ["  source: /rows.csv"]
