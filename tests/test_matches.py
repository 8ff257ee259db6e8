"""The longest stretches that texts share are found, whatever the texts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.generation.matches import Matches

letters = st.text("abc", max_size=25)


@settings(deadline=None)
@given(st.lists(letters, max_size=4), letters)
def test_each_place_is_told_how_far_it_is_copied(reference, text):
    told = Matches.fit(reference).lengths(text).tolist()
    for at, length in enumerate(told):
        assert any(text[at : at + length] in one for one in reference) or length == 0
        assert at + length == len(text) or not any(text[at : at + length + 1] in one for one in reference)


@settings(deadline=None)
@given(letters.filter(bool), letters)
def test_a_copy_is_found_whole(text, other):
    assert Matches.fit([other, text]).longest(text) == len(text)


def test_a_stretch_does_not_run_on_into_the_next_text():
    assert Matches.fit(["ab", "cd"]).longest("abcd") == 2
