"""Images that are drawn: a learned codec, and a family over its latents, tokens, or over pixels themselves.

N: images, Z: latents, M: words of a caption, T: tokens.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor

from foretell.data.codecs.images import Pictures, arrays, coded, pixels_of, vocabulary, words
from foretell.errors import DataError
from foretell.models.autoencoder import TOKENS, Autoencoder
from foretell.models.base import Model, passes
from foretell.models.flow import FORGET, Flow
from foretell.models.gan import Gan
from foretell.models.lm import Cache, LanguageModel
from foretell.models.vae import Vae
from foretell.records import canonical
from foretell.spec import GenerateSpec, TrainSpec
from foretell.training import loop
from foretell.training.checkpoint import Files, pack_tensors
from foretell.training.progress import Progress, silent
from foretell.units import seconds

BATCH = 128
STEPS, CODEC_STEPS = 3_000, 1_500
"""Steps where no budget is stated; under one, as many as fit."""
MOST_STEPS = 100_000
CODEC_SHARE = 0.45
"""Share of a budget that the codec takes."""
RATES = {"next": 0.003, "flow": 0.002, "vae": 0.002, "gan": 0.003}
PIXEL_RATES = {**RATES, "gan": 0.0005}
"""Learning rates of what draws latents or tokens, and of what draws pixels."""
COARSE = 12
"""Images of fewer rows or columns need no codec."""
WIDTHS = {"next": 96, "flow": 384}
"""Of what draws latents or tokens; the others, and what draws pixels, have their own."""
GUIDANCE = {("flow", True): 1.25, ("flow", False): 1.5, ("next", True): 1.5}
"""Family, whether it has a codec -> how strongly it follows what is asked unless said otherwise; else 1."""
PULLS, PULL = 8, 2.0
"""How often, and how far, latents are pulled towards what is known of an image at each step of a flow."""
Drawer = Flow | Vae | Gan | LanguageModel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PictureGenerator:
    """What draws images."""

    family: str
    shape: tuple[int, ...]
    """C, H, W."""
    known: tuple[str, ...]
    """Words that may be asked for."""
    captions: tuple[str, ...]
    shares: tuple[float, ...]
    """How often each caption was seen: so often it is drawn when nothing is asked for."""
    longest: int
    """Words of a caption at most."""
    codec: Autoencoder | None
    model: Drawer

    def draw(self, count: int, asked: GenerateSpec, *, seed: int) -> Pictures:
        """Return new images.

        Args:
            asked: `given.class` (a class or several, which take turns) or `prompt` (words of captions) says
                what they show; `guidance` how strongly they follow it, `temperature` holds for `next` alone.

        Raises:
            DataError: when what is asked for was never seen.
        """
        labels = self.labels(count, asked, seed)
        label = self._label(labels)
        if isinstance(self.model, LanguageModel):
            coded_ = self._tokens(label, count, asked, seed)
        else:
            start = self.model.noise(count, seed=seed)
            coded_ = self.model.moved(start, label=label, guidance=self.guidance(asked))
        return Pictures(pixels=self._pixels(coded_), labels=labels)

    def interpolate(self, first: int, last: int, count: int, asked: GenerateSpec) -> Pictures:
        """Return images on the way between those of two seeds; on the sphere, as noise lies there.

        Raises:
            DataError: when the family draws from no noise.
        """
        if isinstance(self.model, LanguageModel):
            raise DataError("the family `next` has no ways between seeds", "fit flow, vae or gan")
        ends = torch.cat([self.model.noise(1, seed=seed) for seed in (first, last)])
        between = slerp(ends[0], ends[1], torch.linspace(0, 1, count))
        labels = self.labels(1, asked, first) * count
        moved = self.model.moved(between, label=self._label(labels), guidance=self.guidance(asked))
        return Pictures(pixels=self._pixels(moved), labels=labels)

    def inpaint(self, pictures: Pictures, mask: np.ndarray, asked: GenerateSpec, *, seed: int) -> Pictures:
        """Return the images with what is masked drawn anew; the rest stays as it is, bit for bit.

        The flow's end is replaced by what is known at each step (pixels), or its latents are pulled there.

        Args:
            mask: bool [H, W]; True is drawn.

        Raises:
            DataError: when the family is not flow.

        Source: Song et al., Solving inverse problems with latent diffusion models (2024).
        """
        if not isinstance(self.model, Flow):
            raise DataError(f"the family `{self.family}` fills no holes", "fit flow")
        real = torch.from_numpy(arrays(pictures.pixels))
        keep = torch.from_numpy(~mask).float()

        def steer(x: Tensor, end: Tensor) -> Tensor:
            if self.codec is None:
                return (real - end) * keep
            with torch.enable_grad():
                pulled = end.detach().clone().requires_grad_()
                mover = torch.optim.Adam([pulled], lr=PULL / PULLS)
                for _ in range(PULLS):
                    mover.zero_grad()
                    (((self.codec.write(pulled) - real) * keep) ** 2).sum().backward(inputs=[pulled])
                    mover.step()
            return pulled.detach() - end

        labels = self.labels(len(pictures), asked, seed) if asked.given or asked.prompt else pictures.labels
        start = self.model.noise(len(pictures), seed=seed)
        moved = self.model.moved(
            start, label=self._label(labels), guidance=self.guidance(asked), steer=steer, at_once=len(start)
        )
        drawn = self._pixels(moved)
        return Pictures(pixels=np.where(mask[:, :, None], drawn, pictures.pixels), labels=labels)

    def surprise(self, pictures: Pictures) -> np.ndarray | None:
        """Return the negative log-probability of each image's tokens, given its caption, in nats [N]."""
        if not isinstance(self.model, LanguageModel) or self.codec is None:
            return None
        token_NT = self.codec.encode(torch.from_numpy(arrays(pictures.pixels)))
        label = torch.from_numpy(coded(pictures.labels, self.known))[:, : self.longest]
        rows = prefixed(token_NT, label, self.longest)
        found = [nats(self.model, part, token_NT.shape[1]) for part in rows.split(BATCH)]
        return torch.cat(found).double().numpy()

    def files(self) -> Files:
        told = {
            name: getattr(self, name)
            for name in ("family", "shape", "known", "captions", "shares", "longest")
        }
        codec = {} if self.codec is None else {"codec.safetensors": pack_tensors(self.codec.state_dict())}
        return {
            "images.json": canonical(told),
            "model.safetensors": pack_tensors(self.model.state_dict()),
            **codec,
        }

    def labels(self, count: int, asked: GenerateSpec, seed: int) -> tuple[str, ...]:
        """Return what each image is to show."""
        wanted = shown_by(asked, self.known)
        if wanted != [""]:
            return tuple((wanted * count)[:count])
        picked = np.random.default_rng((seed, 1)).choice(len(self.captions), count, p=self.shares)
        return tuple(self.captions[each] for each in picked)

    def _label(self, labels: Sequence[str]) -> Tensor | None:
        return torch.from_numpy(coded(labels, self.known)) if self.known else None

    def guidance(self, asked: GenerateSpec) -> float:
        """Return how strongly draws follow what is asked."""
        return asked.guidance or GUIDANCE.get((self.family, self.codec is not None), 1.0)

    def _pixels(self, values: Tensor) -> np.ndarray:
        return pixels_of((self.codec.decode(values) if self.codec else values).numpy())

    def _tokens(self, label: Tensor | None, count: int, asked: GenerateSpec, seed: int) -> Tensor:
        assert isinstance(self.model, LanguageModel) and self.codec is not None
        generator = torch.Generator().manual_seed(seed)
        asked = replace(asked, guidance=self.guidance(asked))
        none = torch.full((count, self.longest), -1)
        start = prefixed(
            torch.zeros(count, 0, dtype=torch.int64), none if label is None else label, self.longest
        )
        free = prefixed(start[:, :0], none, self.longest) if asked.guidance != 1 else None
        return drawn(self.model, start, free, self.codec.latents // 2, asked, generator)


def shown_by(asked: GenerateSpec, known: Sequence[str]) -> list[str]:
    """Return what images are asked to show: several captions take turns, an empty one leaves it open.

    Raises:
        DataError: when no image shows it.
    """
    given = asked.given.get("class", asked.prompt)
    wanted = [str(each) for each in given] if isinstance(given, list | tuple) else [str(given)]
    strange = [word for each in wanted for word in words(each) if word not in known]
    if strange:
        raise DataError(
            f"no image that was learned from shows '{strange[0]}'",
            f"ask for some of: {', '.join(known[:20])}" if known else "give labelled images",
        )
    return wanted


def fit(
    pictures: Pictures,
    family: str,
    train: TrainSpec,
    *,
    latent: bool = True,
    folder: Path | None = None,
    progress: Progress = silent,
) -> PictureGenerator:
    """Fit a family on images of one size.

    Args:
        family: next, flow, vae or gan.
        latent: latents of a learned codec are drawn; else pixels, as they are in very small images.
        folder: where a killed fit goes on from.
    """
    x = torch.from_numpy(arrays(pictures.pixels))
    shape = tuple(x.shape[1:])
    known = vocabulary(pictures.labels)
    label = torch.from_numpy(coded(pictures.labels, known))
    captions, counts = np.unique(np.array(pictures.labels), return_counts=True)
    whole = family != "next" and (not latent or min(shape[1:]) < COARSE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(train.seed)
        codec, model = blank(family, shape, len(known), label.shape[1], pixels=whole)
    asked = replace(train, ema=0.995, warmup=0.05, batch_size=BATCH)
    share = 1.0
    if codec is not None:
        share = CODEC_SHARE
        _fit(codec, {"x": x}, replace(asked, learning_rate=0.003), CODEC_STEPS, share, folder, progress)
        x, share = codec.encode(x), 1 - share
    batch = {"tokens": prefixed(x, label, label.shape[1])} if family == "next" else {"x": x, "label": label}
    prefix = label.shape[1] if family == "next" else None
    asked = replace(asked, learning_rate=(PIXEL_RATES if whole else RATES)[family])
    _fit(model, batch, asked, STEPS, share, folder, progress, prefix)
    return PictureGenerator(
        family=family,
        shape=shape,
        known=known,
        captions=tuple(captions.tolist()),
        shares=tuple((counts / counts.sum()).tolist()),
        longest=label.shape[1],
        codec=codec,
        model=model,
    )


def _fit(
    model: Model,
    columns: dict[str, Tensor],
    train: TrainSpec,
    steps: int,
    share: float,
    folder: Path | None,
    progress: Progress,
    prefix: int | None = None,
) -> None:
    size = len(next(iter(columns.values())))
    rows_at = passes(size, batch_size=min(BATCH, size), seed=train.seed)
    if train.budget:
        train, steps = replace(train, budget=f"{share * seconds(train.budget):.3f}s"), MOST_STEPS
    elif train.epochs:
        steps = max(1, round(share * train.epochs * size / min(BATCH, size)))

    def batch_at(step: int) -> dict[str, Tensor]:
        rows = torch.from_numpy(rows_at(step))
        batch = {name: column[rows] for name, column in columns.items()}
        return batch if prefix is None else forgetful(batch["tokens"], prefix, (train.seed, step))

    where = None if folder is None else folder / type(model).__name__.lower()
    loop.fit(model, batch_at, train, steps=steps, folder=where, progress=progress)


def blank(
    family: str, shape: tuple[int, ...], classes: int, longest: int, *, pixels: bool
) -> tuple[Autoencoder | None, Drawer]:
    """Return the untaught codec and model of a family."""
    codec = None if pixels else Autoencoder(shape, rounded=family == "next")
    if family == "next":
        assert codec is not None, "its tokens are a codec's"
        context = longest + codec.latents // 2
        return codec, LanguageModel(
            TOKENS + 1 + classes, context=context, width=WIDTHS[family], layers=3, heads=3
        )
    drawer = {"flow": Flow, "vae": Vae, "gan": Gan}[family]
    if codec is None:
        return None, drawer(shape, classes)
    return codec, drawer((codec.latents,), classes, width=WIDTHS.get(family, 0))


def opened(files: Files) -> PictureGenerator:
    """Return the generator whose `files` these are."""
    told = json.loads(files["images.json"])
    shape = tuple(told["shape"])
    codec, model = blank(
        told["family"], shape, len(told["known"]), told["longest"], pixels="codec.safetensors" not in files
    )
    if codec is not None:
        codec.load_state_dict(load(files["codec.safetensors"]))
        codec.eval()
    model.load_state_dict(load(files["model.safetensors"]))
    lists = {name: tuple(told[name]) for name in ("known", "captions", "shares")}
    return PictureGenerator(
        family=told["family"], shape=shape, longest=told["longest"], codec=codec, model=model.eval(), **lists
    )


def slerp(first: Tensor, last: Tensor, share_N: Tensor) -> Tensor:
    """Return what lies so far on the shortest way along the sphere between two arrays [N, ...]."""
    cosine = (first * last).sum() / (first.norm() * last.norm())
    angle = cosine.clamp(-1, 1).acos().clamp_min(1e-6)
    share = share_N.reshape(-1, *[1] * first.ndim)
    return (((1 - share) * angle).sin() * first + (share * angle).sin() * last) / angle.sin()


def prefixed(token_NT: Tensor, label_NM: Tensor, longest: int) -> Tensor:
    """Return rows of tokens that begin with the words of the caption, padded to the longest."""
    padded = torch.full((len(label_NM), longest), -1)
    padded[:, : label_NM.shape[1]] = label_NM
    return torch.cat((padded + 1 + TOKENS, token_NT), dim=1)


def forgetful(rows: Tensor, prefix: int, seed: tuple[int, int]) -> dict[str, Tensor]:
    """Return a batch of which a share has lost its caption, and whose captions themselves do not count."""
    lost = torch.from_numpy(np.random.default_rng(seed).random(len(rows)) < FORGET)
    rows = rows.clone()
    rows[lost, :prefix] = TOKENS
    length = rows.shape[1] - 1
    at = torch.arange(len(rows))[:, None] * length + torch.arange(prefix - 1, length)
    return {"tokens": rows, "at": at.flatten()}


@torch.no_grad()
def nats(model: LanguageModel, rows: Tensor, count: int) -> Tensor:
    """Return the negative log-probability of the last `count` tokens of each row [N]."""
    told = model(rows[:, :-1])[:, -count:].log_softmax(-1)
    return -told.gather(-1, rows[:, -count:, None]).squeeze(-1).sum(1)


@torch.no_grad()
def drawn(
    model: LanguageModel,
    start: Tensor,
    free: Tensor | None,
    count: int,
    asked: GenerateSpec,
    generator: torch.Generator,
) -> Tensor:
    """Return so many tokens after each start [N, T].

    Args:
        free: the starts without what is asked for, to hold against them; None where guidance is 1.
    """
    cache: Cache = []
    other: Cache = []
    found, last, last_free = [], start, free
    for _ in range(count):
        logits = model(last, cache)[:, -1, :TOKENS]
        if last_free is not None:
            plain = model(last_free, other)[:, -1, :TOKENS]
            logits = plain + asked.guidance * (logits - plain)
        if asked.temperature:
            last = torch.multinomial((logits / asked.temperature).softmax(-1), 1, generator=generator)
        else:
            last = logits.argmax(-1, keepdim=True)
        last_free = None if free is None else last
        found.append(last)
    return torch.cat(found, dim=1)
