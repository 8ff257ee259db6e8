"""The queue's table shows what there is: no column stands empty for teams and marks that nothing has."""

import re
from dataclasses import replace

from desk_material import House

HEAD = re.compile(r'columnheader"[^>]*>([^<]+)<')


def test_the_queue_has_columns_for_teams_and_marks_where_something_stands_in_them(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    house.open("r1")
    client = house.client("bob")
    plain = HEAD.findall(client.get("/").text)
    assert "Team" not in plain and "Marks" not in plain and "Held by" in plain
    house.decide("cleo", "r1", "ask", detail={"person": "bob"})
    assert HEAD.findall(client.get("/").text) == [*plain, "Marks"]
    house.policy({"rules": [{"name": "all", "team": "north"}]})
    house.accounts.save("root", replace(house.accounts.person("bob"), teams=("north",)))
    house.open("r2")
    assert {*HEAD.findall(client.get("/").text)} == {*plain, "Marks", "Team"}
    house.store.close()
