"""The modality of images: read, fitted, measured, shown. N: items, F: features."""

import hashlib
from base64 import b64encode
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from foretell.data.codecs.images import (
    ENDINGS,
    Pictures,
    arrays,
    grid,
    png,
    read_folder,
    read_npz,
    vocabulary,
)
from foretell.errors import DataError
from foretell.generation import pictures
from foretell.generation.likeness import coverage, directions, frechet
from foretell.generation.modality import Floats, Material, Picture, Rows, Watched, held_out
from foretell.generation.pictures import PictureGenerator
from foretell.models.base import passes
from foretell.models.recogniser import Recogniser
from foretell.records import Fact, digest
from foretell.spec import Spec, TrainSpec
from foretell.training import loop
from foretell.training.checkpoint import Files
from foretell.training.progress import Progress

ENDING = ".npz"
HOLDOUT = 0.15
FAMILY = "flow"
LIMIT = 4.0
"""The goal: at most so many times the Fréchet distance of real images to each other."""
MOST = 5_000
"""Images that are measured at most."""
TEACH, STEPS, BATCH = 20_000, 600, 128
"""Images and steps that teach what the measures look through; of few images, `PASSES` over them."""
PASSES = 40
PER_DIRECTION = 8
"""Images for each direction of the features that is measured."""
CLUSTERS = 10
"""Where images have no classes, what they are measured through tells so many clusters apart."""
MOST_CLASSES = 100
SHOWN, ACROSS = 40, 10
AT_ONCE = 512


def read(spec: Spec) -> Material:
    """Read a file of arrays or a folder of images; the file's own test is held out, where it has one.

    Raises:
        DataError: when they cannot be read, differ in size, or are all alike.
    """
    path = Path(spec.data.source)
    size, taught = int(spec.generate.given.get("size", 0)), None
    if path.is_dir():
        items = read_folder(path, size)
    elif path.suffix.lower() in ENDINGS:
        raise DataError(f"'{path}' is one image", "give the folder that holds them")
    else:
        items, taught = read_npz(path)
    if len(items) and (items.pixels == items.pixels[:1]).all():
        raise DataError(f"all {len(items)} images of '{path}' are alike", "give images that differ")
    if taught is not None:
        teach, holdout = np.arange(taught), np.arange(taught, len(items))
    else:
        _, groups = np.unique(items.pixels.reshape(len(items), -1), axis=0, return_inverse=True)
        teach, holdout = held_out(groups.reshape(-1).astype(np.int64), HOLDOUT, spec.train.seed)
    pixels = hashlib.sha256(items.pixels.tobytes()).hexdigest()
    told = digest({"pixels": pixels, "shape": list(items.pixels.shape), "labels": list(items.labels)})
    return Material(items=items, teach=teach, holdout=holdout, source=str(path), fingerprint=told)


def fit(material: Material, spec: Spec, *, folder: Path | None, progress: Progress) -> PictureGenerator:
    """Fit the spec's family on the teaching images.

    Raises:
        DataError: when none of them shows what is asked for.
    """
    taught = take(material.items, material.teach)
    pictures.shown_by(spec.generate, vocabulary(taught.labels))
    return pictures.fit(
        taught,
        spec.generate.family or FAMILY,
        spec.train,
        latent=spec.generate.tokens != "pixels",
        folder=folder,
        progress=progress,
    )


def opened(files: Files) -> PictureGenerator:
    """Return the generator whose `files` these are."""
    return pictures.opened(files)


def take(items: Pictures, rows: Rows) -> Pictures:
    return Pictures(pixels=items.pixels[rows], labels=tuple(items.labels[row] for row in rows.tolist()))


def distances(items: Pictures, reference: Pictures) -> Floats:
    """Return the root mean squared difference to the nearest of the reference [N]; white to black is 1."""
    flat, others = (
        torch.from_numpy(each.pixels.reshape(len(each), -1)).float() / 255 for each in (items, reference)
    )
    squares = others.square().sum(1)
    near = [
        (part.square().sum(1) + (squares - 2 * part @ others.T).min(1).values) for part in flat.split(AT_ONCE)
    ]
    return (torch.cat(near).clamp_min(0) / flat.shape[1]).sqrt().double().numpy()


def fidelity(material: Material, items: Pictures, spec: Spec) -> tuple[Fact, ...]:
    """Return Fréchet distance and coverage, and how often the class is the one asked for.

    They look through a network that learned the classes (or clusters) of the teaching images. What as many
    real images reach, teaching ones held against the holdout, is the floor.
    """
    eye, classes = _eye(material, spec.train.seed)
    rng = np.random.default_rng(spec.generate.seed)
    n = min(MOST, len(items), len(material.holdout), len(material.teach))
    chosen = [rng.permutation(each)[:n] for each in (material.teach, material.holdout)]
    teach, real = (take(material.items, rows) for rows in chosen)
    made = take(items, rng.permutation(len(items))[:n])
    seen, floor, found = (_features(eye, each) for each in (real, teach, made))
    along = directions(floor, max(2, n // PER_DIRECTION))
    least = frechet(floor @ along, seen @ along)
    facts = [
        _fact("frechet", frechet(found @ along, seen @ along), n, floor=least, goal=LIMIT * least),
        _fact("coverage", coverage(found, seen), n, floor=coverage(floor, seen)),
    ]
    if {*made.labels} <= {*classes}:
        told = [_right(eye, *each, classes) for each in ((found, made), (seen, real))]
        facts.append(_fact("accuracy", told[0], n, floor=told[1], goal=min(0.98, told[1])))
    return tuple(facts)


def _fact(name: str, value: float, n: int, **detail: float) -> Fact:
    unit = "" if name == "frechet" else "share"
    return Fact(
        id="", kind="fidelity", name=name, text=name, value=value, unit=unit, detail={**detail, "n": n}
    )


def _right(eye: Recogniser, features_NF: Floats, items: Pictures, classes: tuple[str, ...]) -> float:
    told = eye.classes(torch.from_numpy(features_NF).float()).tolist()
    return float(np.mean([classes[each] == label for each, label in zip(told, items.labels, strict=True)]))


def _features(eye: Recogniser, items: Pictures) -> Floats:
    return eye.features(torch.from_numpy(arrays(items.pixels))).double().numpy()


@lru_cache(2)
def _eye(material: Material, seed: int) -> tuple[Recogniser, tuple[str, ...]]:
    """Return what the measures look through, and the classes that it tells; none where it tells clusters."""
    rows = np.random.default_rng(seed).permutation(material.teach)[:TEACH]
    taught = take(material.items, rows)
    x = torch.from_numpy(arrays(taught.pixels))
    classes = tuple(sorted(set(taught.labels)))
    if 1 < len(classes) <= MOST_CLASSES:
        number = {name: index for index, name in enumerate(classes)}
        label = torch.tensor([number[name] for name in taught.labels])
    else:
        classes, label = (), _clusters(taught.pixels, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        eye = Recogniser(x.shape[1:], int(label.max()) + 1, width=16)
    steps = min(STEPS, PASSES * -(-len(x) // BATCH))
    at = passes(len(x), batch_size=min(BATCH, len(x)), seed=seed)

    def batch_at(step: int) -> dict[str, torch.Tensor]:
        chosen = torch.from_numpy(at(step))
        return {"x": x[chosen], "label": label[chosen]}

    loop.fit(eye, batch_at, TrainSpec(seed=seed, learning_rate=0.003, threads=1), steps=steps)
    return eye, classes


def _clusters(pixels: NDArray[np.uint8], seed: int) -> torch.Tensor:
    from sklearn.cluster import MiniBatchKMeans

    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    found = MiniBatchKMeans(min(CLUSTERS, len(flat)), n_init=1, random_state=seed).fit_predict(flat)
    return torch.from_numpy(found.astype(np.int64))


def watched(material: Material, items: Pictures, spec: Spec) -> tuple[Watched, ...]:
    """Return what the images show, where nothing was asked for: how often each was seen and is drawn."""
    asked = spec.generate.prompt or spec.generate.given.get("class")
    if asked or not any(material.items.labels):
        return ()
    real, made = (np.array(each.labels, object) for each in (material.items, items))
    return (Watched(text="what is shown", real=real, made=made),)


def preview(material: Material, items: Pictures) -> tuple[Picture, ...]:
    """Return a sheet of new images, and one of real ones that taught nothing, both by their classes."""
    real = take(material.items, material.holdout)
    return (_sheet("generated", items), _sheet("real, held out", real))


def _sheet(caption: str, items: Pictures) -> Picture:
    order = np.argsort(np.array(items.labels), kind="stable")
    rows = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(np.int64)]
    data = b64encode(png(grid(items.pixels[rows], ACROSS))).decode()
    names = sorted(set(items.labels) - {""})
    alt = f"{len(rows)} images, {caption}" + (f", of {len(names)} captions" if names else "")
    return Picture(caption=caption, markup=f'<img alt="{alt}" src="data:image/png;base64,{data}">')


def write(items: Pictures, path: Path) -> None:
    """Write the images as `images` and what they show as `labels`, in one file of arrays."""
    with path.open("wb") as file:
        np.savez_compressed(file, images=items.pixels, labels=np.array(items.labels))
