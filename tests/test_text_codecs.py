"""Texts as tokens and as bits: they come back as they were, and what is unknown is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.data.codecs.texts import END, Bits, BytePairs, Characters, Molecules, stream, windows
from foretell.errors import DataError

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
SMILES = ("CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "C[C@H](N)C(=O)O")


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=5))
def test_characters_come_back(texts):
    codec = Characters.unpack(Characters.fit(texts).pack())
    for text in texts:
        tokens = codec.encode(text)
        assert END not in tokens
        assert tokens.max() < len(codec)
        assert codec.decode([*tokens, END, *tokens]) == text


@pytest.fixture(scope="module")
def pairs() -> BytePairs:
    return BytePairs.unpack(BytePairs.fit(["the cat sat on the mat, the rat sat on the cat. "] * 4).pack())


@settings(max_examples=50, deadline=None)
@given(text=words)
def test_byte_pairs_know_every_text(pairs, text):
    tokens = pairs.encode(text)
    assert END not in tokens
    assert pairs.decode([*tokens, END]) == text


def test_byte_pairs_are_fewer_than_letters(pairs):
    assert len(pairs.encode("the cat sat on the mat")) < 12


def test_unknown_characters_are_told_by_name():
    with pytest.raises(DataError, match=r"'é' \(U\+00E9\), '☃' \(U\+2603\)"):
        Characters.fit(["plain"]).encode("plain é☃")


def test_texts_without_a_letter_are_refused():
    with pytest.raises(DataError, match="0 different characters"):
        Characters.fit([""])


@settings(deadline=None)
@given(st.integers(2, 300), st.data())
def test_bits_come_back_though_they_are_blurred(num_tokens, data):
    tokens = data.draw(st.lists(st.integers(0, num_tokens - 1), min_size=6, max_size=6))
    bits = Bits(num_tokens=num_tokens, length=6)
    arrays = bits.encode(np.array([tokens]))
    blur = np.random.default_rng(0).uniform(-0.9, 0.9, arrays.shape)
    assert arrays.shape == (1, *bits.shape)
    assert set(np.unique(arrays)) <= {-1.0, 1.0}
    assert bits.decode(arrays + blur).tolist() == [tokens]


def test_bits_that_no_token_has_become_a_token():
    bits = Bits(num_tokens=5, length=1)
    assert bits.decode(np.ones((1, 3, 1), np.float32)).item() < 5


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=4), st.integers(1, 8))
def test_windows_hold_every_letter_once(texts, length):
    codec = Characters.fit(texts)
    cut = windows(codec, texts, length)
    assert "".join(codec.decode(row) for row in cut) == "".join(texts)
    told = stream(codec, texts)
    assert (told == END).sum() == len(texts) + 1


def test_any_symbols_of_molecules_are_a_molecule():
    pytest.importorskip("selfies", reason="molecules are read by selfies")
    codec = Molecules.unpack(Molecules.fit(SMILES).pack())
    rng = np.random.default_rng(0)
    drawn = [codec.decode(rng.integers(1, len(codec), 20)) for _ in range(50)]
    chemistry = pytest.importorskip("rdkit.Chem", reason="molecules are judged by rdkit")
    assert all(chemistry.MolFromSmiles(smiles) is not None for smiles in drawn)
    same = [chemistry.CanonSmiles(codec.decode(codec.encode(smiles))) for smiles in SMILES]
    assert same == [chemistry.CanonSmiles(smiles) for smiles in SMILES]


def test_what_is_no_molecule_is_told():
    pytest.importorskip("selfies", reason="molecules are read by selfies")
    with pytest.raises(DataError, match="is no molecule"):
        Molecules.fit(["C(("])
