"""The policy's page: a form that says what the JSON says, what a change would do, two people to make it."""

import html
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk_material import House, form
from foretell.cases.foresight import effect
from foretell.cases.policy import Policy, PolicyRule, policy_of
from foretell.cases.queue import Query
from foretell.serving.policy_form import changed, data_of, drawn, typed

TEXTS = st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=12)
SHARES = st.integers(0, 1000).map(lambda n: n / 1000)
VALUES = st.one_of(
    TEXTS, st.integers(-5000, 5000), st.booleans(), st.sampled_from(["5", "1e3", "true", "NaN", '"'])
)
NUMBERS = st.integers(-5000, 5000) | st.floats(-1e6, 1e6)
RANGES = st.fixed_dictionaries({}, optional={"from": NUMBERS, "below": NUMBERS})
BOUNDS = st.fixed_dictionaries({"is": VALUES}) | RANGES
RULES = st.builds(
    PolicyRule,
    name=TEXTS,
    alert=st.sampled_from([None, True, False]),
    abstained=st.sampled_from([None, True, False]),
    probability_from=SHARES,
    probability_below=st.sampled_from([0.0, 0.5, 0.999, 1.0, 1.01]),
    inputs=st.dictionaries(TEXTS, BOUNDS.filter(bool), max_size=3),
    team=st.just("") | TEXTS,
    approvals=st.integers(1, 5),
    approver=st.sampled_from(["reviewer", "approver"]),
    due_hours=st.sampled_from([0.0, 0.25, 4.0, 1 / 3]),
    release=st.sampled_from(["people", "auto"]),
)
POLICIES = st.builds(
    Policy,
    rules=st.lists(RULES, max_size=4, unique_by=lambda rule: rule.name).map(tuple),
    audit_share=SHARES,
    blind_share=SHARES,
    hourly_limit=st.integers(0, 10_000),
    lease_minutes=st.sampled_from([1.0, 15.0, 7.5]),
    reasons=st.lists(TEXTS, min_size=1, max_size=4).map(tuple),
    salt=TEXTS,
)


class Fields(HTMLParser):
    """What a browser would send of the page's first form that proposes a policy."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._inside, self._name = False, ""
        self.feed(page[page.index('id="form"') :] if 'id="form"' in page else page)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        if tag == "form":
            self._inside = not self.sent
        elif self._inside and tag == "input":
            self.sent[told["name"]] = told.get("value") or ""
        elif self._inside and tag in ("select", "textarea"):
            self._name = told["name"]
            self.sent[self._name] = ""
        elif self._inside and tag == "option" and "selected" in told:
            self.sent[self._name] = told["value"] or ""

    def handle_data(self, text):
        if self._inside and self._name and self.lasttag == "textarea":
            self.sent[self._name] += text

    def handle_endtag(self, tag):
        if tag in ("select", "textarea"):
            self._name = ""
        if tag == "form":
            self._inside = False


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    yield house
    house.store.close()


def post(client, path, **fields):
    return client.post(path, data=form(client, **fields), follow_redirects=True)


def sent(client, page, **more):
    """Send the form of a page as it stands, with what somebody typed into it."""
    return client.post("/policy", data={**Fields(page).sent, **more}, follow_redirects=True).text


@given(POLICIES)
def test_the_form_says_what_the_policy_says(policy):
    draft = drawn(policy)
    assert policy_of(data_of(draft)) == policy
    fields = dict(draft.settings)
    for at, rule in enumerate(draft.rules):
        fields |= {f"rule-{at}-{name}": value for name, value in rule.fields.items()}
        for number, condition in enumerate(rule.conditions):
            names = (f"rule-{at}-{part}-{number}" for part in ("column", "end", "value"))
            fields |= dict(zip(names, condition, strict=True))
    assert policy_of(data_of(typed(fields))) == policy


@given(st.integers(0, 4), st.text(max_size=12) | st.from_regex(r"(up|down|remove)-[0-4]", fullmatch=True))
def test_a_move_keeps_every_rule_and_a_removal_takes_one(num_rules, what):
    policy = Policy(rules=tuple(PolicyRule(name=str(number)) for number in range(num_rules)))
    draft = drawn(policy)
    changed(draft, what)
    names = [rule.fields.get("name", "new") for rule in draft.rules]
    verb, _, at = what.partition("-")
    if verb == "remove" and at.isdigit() and int(at) < num_rules:
        assert names == [str(number) for number in range(num_rules) if number != int(at)]
    elif what == "add":
        assert names[:-1] == [str(number) for number in range(num_rules)]
    else:
        assert sorted(names) == [str(number) for number in range(num_rules)]


def test_a_rule_is_written_tried_proposed_and_confirmed_without_a_script(house):
    for number in range(8):
        house.open(f"r{number}", probability=0.1 + number / 10)
    root, ada = house.client("root"), house.client("ada")
    page = sent(root, root.get("/policy").text, do="add")
    assert "Rule 1" in page and house.governance.proposals() == ()
    typed_in = {
        "rule-0-name": "<large>", "rule-0-from": "45", "rule-0-approvals": "2", "rule-0-team": "north",
        "rule-0-column-0": "amount", "rule-0-end-0": "from", "rule-0-value-0": "200",
    }  # fmt: skip
    page = sent(root, page, do="try", blind_share="100", **typed_in)
    assert "8 of the 8 cases that wait would be handled otherwise at once" in page
    page = sent(root, page, do="try", blind_share="0")
    assert "4 of the 8 cases that wait" in page and house.governance.proposals() == ()
    page = sent(root, page, do="add")
    page = sent(root, page, do="up-1", **{"rule-1-name": "first", "rule-1-alert": "no"})
    assert page.index('value="first"') < page.index('value="&lt;large&gt;"')
    page = sent(root, page, do="remove-0")
    assert 'value="first"' not in page
    wrong = sent(root, page, do="propose", **{"rule-0-approvals": "9"})
    assert "rule 1, approvals: &#39;9&#39; is not a whole number from 1 to 5" in wrong
    assert "is proposed" in sent(root, wrong, do="propose", reason="care", **{"rule-0-approvals": "2"})
    theirs = ada.get("/policy").text
    assert "<bdi>care</bdi>" in theirs
    assert "4 of the 8 cases that wait" in theirs and "Put into force" not in root.get("/policy").text
    seq = re.search(r'name="proposal" value="(\d+)"', theirs)[1]
    assert "is in force" in post(ada, "/policy/close", proposal=seq, do="confirm").text
    (rule,) = house.store.policy().rules
    assert rule == PolicyRule(
        name="<large>", probability_from=0.45, approvals=2, team="north", inputs={"amount": {"from": 200}}
    )


def test_the_whole_policy_is_proposed_as_json_as_well(house):
    root, ada = house.client("root"), house.client("ada")
    text = re.search(r'<textarea id="policy"[^>]*>([^<]*)<', root.get("/policy").text)[1]
    written = json.loads(html.unescape(text))
    written["hourly_limit"] = 7
    assert "is proposed" in post(root, "/policy", policy=json.dumps(written), reason="haste").text
    mine, theirs = root.get("/policy").text, ada.get("/policy").text
    assert "Put into force" not in mine and "Put into force" in theirs
    assert "<del><bdi>no limit</bdi></del></td><td><ins><bdi>at most 7</bdi></ins>" in theirs
    seq = re.search(r'name="proposal" value="(\d+)"', theirs)[1]
    refused = post(root, "/policy/close", proposal=seq, do="confirm")
    assert refused.status_code == 409 and "cannot confirm it" in refused.text
    assert "is in force" in post(ada, "/policy/close", proposal=seq, do="confirm").text
    assert house.store.policy().hourly_limit == 7
    for wrong in ("{", "[" * 3000, '{"rules": [{}]}', '{"audit_share": 3}'):
        page = post(root, "/policy", policy=wrong)
        assert page.status_code in (409, 422) and 'role="alert"' in page.text
        assert wrong[:40].replace('"', "&#34;") in page.text
    assert post(ada, "/policy/close", proposal=seq, do="withdraw").status_code == 409
    seen = house.client("vic").get("/policy")
    assert seen.status_code == 200 and "Propose a change" not in seen.text


def test_what_a_policy_would_change_is_what_it_changes(house):
    house.policy({"rules": [{"name": "all", "probability_from": 0.3}], "blind_share": 0.4, "salt": "x"})
    ids = [f"r{number}" for number in range(20)]
    for number, row in enumerate(ids):
        house.open(row, probability=number / 20)
    house.decide("bob", "r19", "judge", detail={"judgement": "negative"})
    house.decide("bob", "r19", "reject")
    data = {
        "rules": [{"name": "high", "probability_from": 0.5, "approvals": 2, "team": "north"}],
        "blind_share": 0.7, "salt": "x",
    }  # fmt: skip
    said = effect(house.store, policy_of(data))

    def stands():
        lines = {row: house.desk.case("root", row) for row in ids[:19]}
        return {row: (shown.handling.approvals, shown.handling.blind) for row, shown in lines.items()}

    before = stands()
    waiting = house.desk.count("root", Query())
    house.policy(data)
    after = stands()
    assert said.num_cases == waiting == 19
    assert said.num_now == sum(before[row] != after[row] for row in before) > 0
    assert said.otherwise["approvals"] == sum(before[row][0] != after[row][0] for row in before) == 9
    assert said.otherwise["blind"] == sum(before[row][1] != after[row][1] for row in before)
    assert said.otherwise["team"] == 9 and said.otherwise["released"] == 0
    assert dict(said.rules) == {"all": (13, 0), "high": (0, 9), "": (6, 10)}
