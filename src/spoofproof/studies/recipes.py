"""Recipe variants for a study, and their trainings: several at a time, each once."""

from __future__ import annotations

import copy
import json
import multiprocessing
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..audio import whole_file
from ..errors import BadPlan
from ..scores import write_json
from ..train.mixtures import GMM, TABLES
from ..train.recipe import Recipe
from ..train.recipe import family as family
from .common import Tell, quiet

Table = dict[str, Any]
_LIVE = ("rawboost", "bandwidth", "noise")


@dataclass(frozen=True, slots=True)
class Training:
    """One training of a study. text: its recipe. folder: of the study."""

    arm: str
    number: int
    text: str
    folder: Path

    @property
    def name(self) -> str:
        """Of its files: the arm and the number of the seed."""
        return f"{self.arm}-{self.number}"

    @property
    def done(self) -> Path:
        """The file that says where the finished weights are."""
        return self.folder / "weights" / self.name / "trained.json"


def variant(
    base: str,
    augmented: bool,
    seed: int,
    corpus: str,
    seen: Sequence[str],
    held_out: Sequence[str],
    quick: bool,
) -> Table:
    """The base recipe as one arm of the study trains it: clean, or with ``seen`` in its copies.

    Both arms hold out ``held_out``'s corruptions and select on clean dev. Raises BadPlan for text that is no TOML.
    """
    try:
        table = tomllib.loads(base)
    except tomllib.TOMLDecodeError as error:
        raise BadPlan(f"the base recipe is not valid TOML: {error}") from None
    table = copy.deepcopy(table)
    table["seed"] = seed
    table["data"] = {**table.get("data", {}), "corpus": corpus}
    augment = table.setdefault("augment", {})
    augment["held_out"] = sorted({name for c in held_out for name in family(c)})
    augment["conditions"] = list(seen) if augmented else []
    augment["copies"] = max(2, int(augment.get("copies", 4))) if augmented else 1
    if table.get("detector") not in TABLES:
        table["live"] = {**table.get("live", {}), **dict.fromkeys(_LIVE, 0.0)}
        table["select"] = {**table.get("select", {}), "conditions": []}
        if not augmented:
            table["live"]["clean"] = 1.0
        if quick:
            o = table.setdefault("optimiser", {})
            o["epochs"] = max(1, int(o.get("epochs", 20)) // 10)
    elif quick and table["detector"] == GMM:
        model = table.setdefault("model", {})
        model["components"], model["iterations"] = 8, 3
    return table


def prepared(table: Table) -> str:
    """A recipe's table as TOML text, checked by reading it back as a recipe. Raises BadPlan, UnknownName."""
    text = toml(table)
    Recipe.parse(text, name="of the study")
    return text


def toml(table: Mapping[str, Any]) -> str:
    """Scalars, lists of scalars, and one level of tables, as recipes have them."""
    lines = [f"{key} = {_value(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            lines += ["", f"[{key}]", *(f"{k} = {_value(v)}" for k, v in inner.items())]
    return "\n".join([*lines, ""])


def train_all(jobs: Sequence[Training], workers: int, tell: Tell) -> dict[tuple[str, int], str]:
    """Train what is not trained yet, ``workers`` at a time; detector references by (arm, seed number).

    Raises what ``train.run`` raises. A training that was stopped goes on where it was.
    """
    waiting = [job for job in jobs if not job.done.exists()]
    done = len(jobs) - len(waiting)
    tell(done, len(jobs), "trainings")
    if workers <= 1 or len(waiting) <= 1:
        for job in waiting:

            def inside(
                step: int, steps: int, text: str = "", name: str = job.name, before: int = done
            ) -> None:
                tell(before, len(jobs), f"{name}: {step} of {steps} {text}")

            train_one(job, inside)
            done += 1
            tell(done, len(jobs), f"trained {job.name}")
    else:
        _pool(waiting, workers, done, len(jobs), tell)
    found = {}
    for job in jobs:
        facts = json.loads(job.done.read_text(encoding="utf-8"))
        found[job.arm, job.number] = f"{facts['detector']}@{job.done.parent / facts['weights']}"
    return found


def train_one(job: Training, tell: Tell = quiet) -> None:
    """One training from its recipe to its weights, and the file that says that it is done."""
    from ..train import run

    recipe = job.folder / "recipes" / f"{job.name}.toml"
    if not recipe.exists():
        with whole_file(recipe) as file:
            file.write(job.text.encode())
    weights = run(recipe, None, job.done.parent, tell)
    detector = str(tomllib.loads(job.text)["detector"])
    write_json(job.done, {"detector": detector, "weights": weights.name})


def _pool(jobs: Sequence[Training], workers: int, done: int, total: int, tell: Tell) -> None:
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=multiprocessing.get_context("spawn"))
    try:
        waiting: dict[Future[None], Training] = {pool.submit(train_one, job): job for job in jobs}
        while waiting:
            finished, _ = wait(waiting, timeout=2, return_when=FIRST_COMPLETED)
            tell(done, total, "training " + ", ".join(job.name for f, job in waiting.items() if f.running()))
            for future in finished:
                future.result()
                done += 1
                tell(done, total, f"trained {waiting.pop(future).name}")
    except BaseException:
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False)
