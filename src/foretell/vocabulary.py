"""Vocabularies of language models: tokens as byte strings, found longest first, down to single bytes.

Every byte is a token, so that every text has tokens and comes back from them; further tokens are learned from
texts by byte-pair encoding (Sennrich et al., 2016).
"""

import json
from collections.abc import Iterable, Sequence

END = 256
"""The token that ends a text; it stands for no bytes."""


class Node:
    """One node of the tree of tokens: the token that ends here, and where each byte leads."""

    __slots__ = ("children", "token")

    def __init__(self) -> None:
        self.token = -1
        self.children: dict[int, Node] = {}


class Vocabulary:
    """The 256 bytes, the end, then learned tokens.

    >>> words = Vocabulary([b"the ", b"then"])
    >>> words.encode("the then")
    [257, 258]
    >>> words.decode([257, 258, END])
    'the then'
    """

    def __init__(self, learned: Sequence[bytes] = ()) -> None:
        self.tokens: list[bytes] = [*(bytes([byte]) for byte in range(256)), b"", *learned]
        self.widest = max(map(len, self.tokens))
        self.root = Node()
        for number, token in enumerate(self.tokens):
            if number != END:
                node = self.root
                for byte in token:
                    node = node.children.setdefault(byte, Node())
                node.token = number

    def __len__(self) -> int:
        return len(self.tokens)

    def longest(self, data: bytes, start: int = 0) -> int:
        """Return the longest token that stands at `start`."""
        node, found = self.root, data[start]
        for index in range(start, len(data)):
            if (child := node.children.get(data[index])) is None:
                break
            node = child
            found = node.token if node.token >= 0 else found
        return found

    def encode(self, text: str) -> list[int]:
        data, at, found = text.encode(), 0, []
        while at < len(data):
            found.append(self.longest(data, at))
            at += len(self.tokens[found[-1]])
        return found

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens; what is no UTF-8 becomes a replacement mark."""
        return b"".join(self.tokens[token] for token in tokens).decode(errors="replace")

    def pack(self) -> bytes:
        """Return the learned tokens as JSON, one character per byte."""
        return json.dumps([token.decode("latin-1") for token in self.tokens[END + 1 :]]).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> "Vocabulary":
        return cls([token.encode("latin-1") for token in json.loads(packed)])

    @classmethod
    def learn(cls, texts: Iterable[str], size: int) -> "Vocabulary":
        """Return a vocabulary of at most `size` tokens, learned from texts (needs `tokenizers`)."""
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        learner = Tokenizer(models.BPE())
        learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=size - 1, initial_alphabet=alphabet, show_progress=False)
        learner.train_from_iterator(texts, trainer)
        spelled = sorted(learner.get_vocab().items(), key=lambda row: row[1])
        marks = _marks()
        return cls([bytes(marks[mark] for mark in token) for token, _ in spelled if len(token) > 1])


def _marks() -> dict[str, int]:
    """Return printable mark -> byte, as byte-level tokenizers spell bytes (Radford et al., 2019)."""
    shown = [byte for byte in range(256) if 33 <= byte <= 126 or 161 <= byte <= 172 or byte >= 174]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + place): byte for place, byte in enumerate(hidden)}
