"""Texts as tokens or as arrays of bits, and back. T: tokens of a text, N: windows, C: bits, L: places."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from foretell import vocabulary
from foretell.errors import DataError

Tokens = NDArray[np.int64]
Floats = NDArray[np.float32]
END = 0
"""The token before and after every text."""
LEARNED = 1_024
"""Tokens that byte pairs are merged into."""
MOST_SYMBOLS = 20_000


class TextCodec(Protocol):
    """What a text is read as."""

    kind: ClassVar[str]

    def __len__(self) -> int:
        """Return how many tokens there are, `END` among them."""
        ...

    def encode(self, text: str) -> Tokens:
        """Return the tokens of a text [T], without its end.

        Raises:
            DataError: when it holds what this codec has no token for.
        """
        ...

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens up to the first end."""
        ...

    def pack(self) -> bytes:
        """Return what `unpack` reads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Characters:
    """Each character is a token."""

    symbols: tuple[str, ...]
    kind: ClassVar[str] = "characters"

    @classmethod
    def fit(cls, texts: Iterable[str]) -> Self:
        """Learn the symbols of texts, in the order of their code points.

        Raises:
            DataError: when there are none, or too many.
        """
        symbols = sorted({symbol for text in texts for symbol in cls.parts(text)})
        if not 0 < len(symbols) <= MOST_SYMBOLS:
            raise DataError(
                f"the texts hold {len(symbols):,} different {cls.kind}; 1 to {MOST_SYMBOLS:,} can be learned",
                "read them as bpe: generate.tokens: bpe" if symbols else "give texts that are not empty",
            )
        return cls(symbols=tuple(symbols))

    @staticmethod
    def parts(text: str) -> Iterable[str]:
        return text

    def __len__(self) -> int:
        return 1 + len(self.symbols)

    def encode(self, text: str) -> Tokens:
        number = {symbol: at for at, symbol in enumerate(self.symbols, start=1)}
        try:
            return np.array([number[symbol] for symbol in self.parts(text)], np.int64)
        except KeyError:
            unknown = sorted({*self.parts(text)} - number.keys())
            named = ", ".join(f"'{each}' (U+{ord(each[0]):04X})" for each in unknown[:5])
            raise DataError(
                f"no text that taught the model holds {named}" + (" and others" if len(unknown) > 5 else ""),
                "leave them out, or read texts as bpe: generate.tokens: bpe",
            ) from None

    def decode(self, tokens: Iterable[int]) -> str:
        return "".join(self.symbols[token - 1] for token in _whole(tokens))

    def pack(self) -> bytes:
        return json.dumps(self.symbols).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        return cls(symbols=tuple(json.loads(packed)))


class Molecules(Characters):
    """Molecules as SELFIES, written as SMILES: any sequence of symbols is a molecule (Krenn et al., 2020)."""

    __slots__ = ()
    kind: ClassVar[str] = "selfies"

    @staticmethod
    def parts(text: str) -> Iterable[str]:
        import selfies

        try:
            return selfies.split_selfies(selfies.encoder(text))
        except selfies.EncoderError as error:
            why = (str(error).splitlines() or [""])[0]
            raise DataError(f"'{text[:80]}' is no molecule: {why}", "write molecules as SMILES") from error

    def decode(self, tokens: Iterable[int]) -> str:
        import selfies

        return str(selfies.decoder("".join(self.symbols[token - 1] for token in _whole(tokens))))


@dataclass(frozen=True, slots=True, kw_only=True)
class BytePairs:
    """Bytes, and tokens learned from pairs of them: no text is unknown."""

    words: vocabulary.Vocabulary
    kind: ClassVar[str] = "bpe"

    @classmethod
    def fit(cls, texts: Iterable[str]) -> Self:
        return cls(words=vocabulary.Vocabulary.learn(texts, LEARNED))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> Tokens:
        tokens = np.array(self.words.encode(text), np.int64)
        return tokens + (tokens < vocabulary.END)  # their end stands between bytes and pairs, ours is first

    def decode(self, tokens: Iterable[int]) -> str:
        return self.words.decode([token - (token <= vocabulary.END) for token in _whole(tokens)])

    def pack(self) -> bytes:
        return self.words.pack()

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        return cls(words=vocabulary.Vocabulary.unpack(packed))


CODECS: dict[str, Any] = {each.kind: each for each in (Characters, BytePairs, Molecules)}
"""What texts may be read as."""


def stream(codec: TextCodec, texts: Iterable[str]) -> Tokens:
    """Return texts one after the other, with an end before and after each [T]."""
    end = np.array([END], np.int64)
    return np.concatenate([end, *(part for text in texts for part in (codec.encode(text), end))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bits:
    """Windows of tokens as arrays of -1 and 1 [N, C, L]: their numbers' binary digits.

    Source: Chen, Zhang and Hinton, Analog bits (ICLR 2023).
    """

    num_tokens: int
    length: int
    """Tokens of a window; a shorter text is filled up with its end."""

    @property
    def shape(self) -> tuple[int, int]:
        return max(1, (self.num_tokens - 1).bit_length()), self.length

    def encode(self, tokens_NL: Tokens) -> Floats:
        """Return the bits of windows [N, C, L]."""
        digits_NCL = tokens_NL[:, None, :] >> np.arange(self.shape[0])[:, None] & 1
        return (2 * digits_NCL - 1).astype(np.float32)

    def decode(self, bits_NCL: Floats) -> Tokens:
        """Return the tokens whose bits are nearest [N, L]."""
        own_VC = self.encode(np.arange(self.num_tokens)[:, None])[:, :, 0]
        return np.einsum("vc,ncl->nvl", own_VC, bits_NCL).argmax(axis=1)


def windows(codec: TextCodec, texts: Sequence[str], length: int) -> Tokens:
    """Return texts cut into windows, each filled up with its end [N, L]."""
    cut = [
        tokens[at : at + length]
        for tokens in map(codec.encode, texts)
        for at in range(0, len(tokens), length)
    ]
    found = np.full((len(cut), length), END, np.int64)
    for row, part in zip(found, cut, strict=True):
        row[: len(part)] = part
    return found


def _whole(tokens: Iterable[int]) -> Iterator[int]:
    for token in tokens:
        if token == END:
            return
        yield int(token)
