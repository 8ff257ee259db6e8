"""Decoder-only language model over any tokens: text, code, the choices of a grammar.

Pre-norm blocks (RMSNorm: Zhang and Sennrich, 2019), rotary positions (Su et al., 2021), normalised queries
and keys (Henry et al., 2020), squared ReLU (So et al., 2021); Muon moves the matrices inside the blocks.

B: rows, L: tokens, V: vocabulary, W: width, H: heads, D: width of a head, P: its pairs, N: tokens that count.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Model

WAVELENGTH = 10_000.0
"""Longest wavelength of the rotary positions, over 2 pi."""
READS = 0.02
"""Spread of the first weights by which a prior is read."""
UNLIKE = 7.0
"""Nats beyond which it does not matter how far a token's prior is from the usual."""
Cache = list[tuple[Tensor, Tensor]]
"""Keys and values [B, H, L, D] of the tokens read so far, one pair per block."""
Mask = Callable[[Sequence[int]], Mapping[int, float]]
"""Tokens drawn so far -> those that may come next, each with the logit that a floor gives it."""


class Block(nn.Module):
    """Attention to the tokens before, then a squared ReLU; both start out adding nothing."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_up = nn.RMSNorm(width), nn.RMSNorm(width)
        self.read = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(
        self, x_BLW: Tensor, turn_LP: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        parts = self.read(self.norm(x_BLW)).chunk(3, dim=-1)
        query_BHLD, key_BHLD, value_BHLD = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts
        )
        query_BHLD, key_BHLD = rotated(query_BHLD, turn_LP), rotated(key_BHLD, turn_LP)
        if past is not None:
            key_BHLD = torch.cat((past[0], key_BHLD), dim=2)
            value_BHLD = torch.cat((past[1], value_BHLD), dim=2)
        num_new, num_all = query_BHLD.shape[2], key_BHLD.shape[2]
        causal = torch.ones(num_new, num_all, dtype=torch.bool, device=x_BLW.device).tril(num_all - num_new)
        mixed = functional.scaled_dot_product_attention(query_BHLD, key_BHLD, value_BHLD, attn_mask=causal)
        x_BLW = x_BLW + self.out(mixed.transpose(1, 2).flatten(2))
        x_BLW = x_BLW + self.down(functional.relu(self.up(self.norm_up(x_BLW))).square())
        return x_BLW, (key_BHLD, value_BHLD)


def rotated(x_BHLD: Tensor, turn_LP: Tensor) -> Tensor:
    """Bring queries or keys to length one and turn each pair of neighbours by its unit complex number."""
    x_BHLD = functional.rms_norm(x_BHLD, x_BHLD.shape[-1:])
    pairs = torch.view_as_complex(x_BHLD.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn_LP).flatten(-2)


class LanguageModel(Model):
    """Each token is predicted from all before it, `context` of them at most.

    A batch holds `tokens`, int64 [B, L + 1]; where only some count, `at`, their flat places in [B * L], and
    where each has choices of its own, `floor`, float32 [N, V]: logits to add to, -inf where it is no choice.
    """

    frequencies: Tensor

    def __init__(
        self, num_tokens: int, *, context: int = 512, width: int = 128, layers: int = 4, heads: int = 4
    ) -> None:
        super().__init__()
        assert width % (2 * heads) == 0, "a head rotates pairs"
        self.context, self.heads = context, heads
        spaced = torch.linspace(0, 1, width // heads // 2)
        self.register_buffer("frequencies", WAVELENGTH**-spaced)
        self.embed = nn.Embedding(num_tokens, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, num_tokens, bias=False)
        nn.init.zeros_(self.head.weight)

    @property
    def measures(self) -> dict[str, int]:
        """What it was made with, besides its tokens."""
        width, layers = self.embed.embedding_dim, len(self.blocks)
        return {"context": self.context, "width": width, "layers": layers, "heads": self.heads}

    def matrices_of(self, turn: str) -> frozenset[str]:
        return frozenset(
            name for name, each in self.named_parameters() if name.startswith("blocks.") and each.ndim == 2
        )

    def states(
        self, tokens_BL: Tensor, cache: Cache | None = None, *, besides: Tensor | None = None
    ) -> Tensor:
        """Return what the head reads, [B, L, W].

        Args:
            cache: is read and moved on; an empty one is filled.
            besides: what else is known of each place, added to its token's embedding [B, L, W].
        """
        start = cache[0][0].shape[2] if cache else 0
        places = torch.arange(start, start + tokens_BL.shape[1], device=tokens_BL.device)
        angle_LP = places[:, None] * self.frequencies
        turn_LP = torch.polar(torch.ones_like(angle_LP), angle_LP)
        x_BLW = self.embed(tokens_BL)
        if besides is not None:
            x_BLW = x_BLW + besides
        read: Cache = []
        for index, block in enumerate(self.blocks):
            x_BLW, pair = block(x_BLW, turn_LP, cache[index] if cache else None)
            read.append(pair)
        if cache is not None:
            cache[:] = read
        return self.norm(x_BLW)

    def forward(self, tokens_BL: Tensor, cache: Cache | None = None) -> Tensor:
        """Return logits of the token after each, float32 [B, L, V]."""
        return self.head(self.states(tokens_BL, cache))

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return nats per token that counts."""
        logits_NV, wanted_N = self.counted(batch)
        return functional.cross_entropy(logits_NV, wanted_N)

    def counted(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits [N, V] and the true tokens [N] where tokens count."""
        tokens = batch["tokens"]
        states, wanted = self.states(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()
        if "at" in batch:
            states, wanted = states[batch["at"]], wanted[batch["at"]]
        logits = self.head(states)
        if "floor" in batch:
            logits = logits + batch["floor"]
        return logits, wanted

    @torch.inference_mode()
    def sample(
        self,
        prompt: Sequence[int],
        *,
        most: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Sequence[int] = (),
        mask: Mask | None = None,
        recall: int | None = None,
        seed: int = 0,
    ) -> list[int]:
        """Return at most `most` tokens that follow the prompt, up to one of `stop`, which is left out.

        Args:
            temperature: 0 takes the likeliest token.
            top_p: draws from the fewest tokens that together have this probability (Holtzman et al., 2020).
            mask: tokens so far -> the tokens that may follow; a single one is taken without asking the model.
            recall: how many of the tokens last taken so it reads at its next choice; all of them when None.
        """
        device = self.head.weight.device
        generator = torch.Generator(device).manual_seed(seed)
        waiting, forced, cache, drawn = list(prompt), [], [], []
        num_read = 0
        while len(drawn) < most:
            allowed = mask(drawn) if mask else None
            if allowed is not None and len(allowed) < 2:
                token = next(iter(allowed), None)
                forced.append(token)
            else:
                waiting += forced if recall is None else forced[len(forced) - min(recall, len(forced)) :]
                num_read += len(waiting)
                if num_read > self.context:
                    break
                logits_V = self.head(self.states(torch.tensor([waiting], device=device), cache)[0, -1])
                token = draw(logits_V, allowed, temperature, top_p, generator)
                waiting, forced = [token], []
            if token is None or token in stop:
                break
            drawn.append(token)
        return drawn


class Residual(LanguageModel):
    """What a prior over the next token misses: it reads the prior's word, doubts it, and adds its own.

    A batch holds `tokens`, int64 [B, L + 1], and `prior`, the log-probabilities of the token after each,
    float32 [B, L, V]. Where it teaches, the prior must come from texts without this one.
    """

    def __init__(
        self, num_tokens: int, *, context: int = 256, width: int = 128, layers: int = 3, heads: int = 4
    ) -> None:
        super().__init__(num_tokens, context=context, width=width, layers=layers, heads=heads)
        self.read_prior = nn.Linear(num_tokens, width, bias=False)
        self.trust = nn.Linear(width, 1)
        nn.init.normal_(self.read_prior.weight, std=READS)
        nn.init.zeros_(self.trust.weight)
        nn.init.zeros_(self.trust.bias)

    def told(self, tokens_BL: Tensor, prior_BLV: Tensor, cache: Cache | None = None) -> Tensor:
        """Return logits of the token after each, float32 [B, L, V]."""
        known_BLV = (prior_BLV - prior_BLV.mean(-1, keepdim=True)).clamp(-UNLIKE, UNLIKE)
        states_BLW = self.states(tokens_BL, cache, besides=self.read_prior(known_BLV))
        return self.head(states_BLW) + (1 + self.trust(states_BLW)) * prior_BLV

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return nats per token."""
        tokens = batch["tokens"]
        logits_BLV = self.told(tokens[:, :-1], batch["prior"])
        return functional.cross_entropy(logits_BLV.flatten(0, 1), tokens[:, 1:].flatten())


def draw(
    logits_V: Tensor,
    allowed: Mapping[int, float] | None,
    temperature: float,
    top_p: float,
    generator: torch.Generator,
) -> int:
    """Return a token by its probability among the allowed ones."""
    chosen, logits = None, logits_V
    if allowed is not None:
        chosen = torch.tensor([*allowed], device=logits_V.device)
        logits = logits_V[chosen] + torch.tensor([*allowed.values()], device=logits_V.device)
    if temperature == 0:
        index = logits.argmax()
    else:
        probability, order = (logits / temperature).softmax(-1).sort(descending=True, stable=True)
        kept = probability * (probability.cumsum(-1) - probability < top_p)
        index = order[torch.multinomial(kept, 1, generator=generator)[0]]
    return int(index if chosen is None else chosen[index])
