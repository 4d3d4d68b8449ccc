"""A dict with manners: four registries, their decorators, and the three doors by which things come in.

1. built-ins: the modules of a room (``spoofproof.corruptions`` …) register themselves when the room is first asked;
2. plug-ins: packages that declare an entry point in the group ``spoofproof`` are imported at the same moment;
3. a file: ``path/to/file.py:name`` or ``package.module:name`` imports it and takes what it registered under ``name``.

All three use the same decorators.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from .errors import BadPlan, SpoofproofError, UnknownName
from .types import Clip, CorpusSpec, Corruption, CorruptionSpec, DetectorSpec, MetricSpec, Trial

_FILE = "spoofproof_file_"  # modules made of a user's file


class _Named(Protocol):
    @property
    def name(self) -> str: ...


S = TypeVar("S", bound=_Named)
F = TypeVar("F", bound=Callable[..., Any])


class Registry(Generic[S]):
    """Specs by name, in order of registration. ``room`` is imported when the registry is first asked."""

    def __init__(self, kind: str, room: str) -> None:
        self.kind = kind
        self._room = room
        self._specs: dict[str, S] = {}
        self._homes: dict[str, str] = {}
        self._of_files: dict[tuple[str, str], S] = {}
        self._loaded = False

    def add(self, spec: S, home: str) -> S:
        """Register ``spec``; ``home`` says where it is defined. Raises SpoofproofError for a name that is taken."""
        if any(character in spec.name for character in "@+:/ ,") or not spec.name:
            raise SpoofproofError(
                f"{spec.name!r} cannot name a {self.kind}: no blank, @ + : / or comma in names"
            )
        if home.startswith(_FILE):
            self._of_files[home, spec.name] = spec  # known as file.py:name only: two files may use one name
            return spec
        taken = self._homes.get(spec.name)
        if taken is not None:
            raise SpoofproofError(
                f"the {self.kind} {spec.name!r} of {home} has the name of one from {taken}; rename one of them"
            )
        self._specs[spec.name] = spec
        self._homes[spec.name] = home
        return spec

    def __getitem__(self, name: str) -> S:
        """The spec of a registered name or of ``file.py:name``. Raises UnknownName, or SpoofproofError for a bad file."""
        if ":" in name:
            return self._from_file(name)
        self._load()
        if name not in self._specs:
            raise UnknownName.among(self.kind, name, self._specs)
        return self._specs[name]

    def __contains__(self, name: str) -> bool:
        self._load()
        return name in self._specs

    def __iter__(self) -> Iterator[S]:
        self._load()
        return iter(list(self._specs.values()))

    def __len__(self) -> int:
        self._load()
        return len(self._specs)

    def names(self) -> list[str]:
        """All names, in order of registration."""
        return [spec.name for spec in self]

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            importlib.import_module(self._room)
            _load_plugins()

    def _from_file(self, name: str) -> S:
        where, _, attribute = name.rpartition(":")
        self._load()
        module = _import_file(Path(where)) if where.endswith(".py") else _import_module(where)
        mine = {name: spec for (home, name), spec in self._of_files.items() if home == module}
        mine |= {name: spec for name, spec in self._specs.items() if self._homes[name] == module}
        if attribute not in mine:
            raise UnknownName(
                f"{where} registers no {self.kind} {attribute!r}. It registers: {', '.join(mine) or 'none'}. "
                f"Put @spoofproof.{self.kind}(…) above the function."
            )
        return mine[attribute]


corruptions: Registry[CorruptionSpec] = Registry("corruption", "spoofproof.corruptions")
detectors: Registry[DetectorSpec] = Registry("detector", "spoofproof.detectors")
metrics: Registry[MetricSpec] = Registry("metric", "spoofproof.metrics")
corpora: Registry[CorpusSpec] = Registry("corpus", "spoofproof.corpora")


def corruption(
    *,
    family: str,
    unit: str,
    levels: Sequence[float],
    name: str = "",
    origin: str = "spoofproof",
    measure: Callable[[Clip, Clip, float], float] | None = None,
    tolerance: float | None = None,
    level_names: Sequence[str] = (),
    consumes: Callable[[float], float] | None = None,
    margin: float = 0.1,
    two_sided: bool = False,
    available: Callable[[], str] = lambda: "",
    summary: str = "",
) -> Callable[[Corruption], Corruption]:
    """Register ``f(clip, level, rng) -> clip`` under its own name; the fields are those of CorruptionSpec."""

    def register(run: Corruption) -> Corruption:
        spec = CorruptionSpec(
            name=name or _name_of(run),
            family=family,
            run=run,
            unit=unit,
            levels=tuple(map(float, levels)),
            origin=origin,
            summary=summary or _first_sentence(run),
            measure=measure,
            tolerance=tolerance,
            level_names=tuple(level_names),
            consumes=consumes,
            margin=margin,
            two_sided=two_sided,
            available=available,
        )
        corruptions.add(spec, _home_of(run))
        return run

    return register


def detector(
    *,
    rate: int,
    name: str = "",
    seconds: float | None = None,
    batch: int = 16,
    card: Callable[[], Mapping[str, object]] = dict,
    cost: float = 0.0,
    wraps: Callable[[str], Sequence[str]] = lambda argument: (),
    cpus: float = 1.0,
    gpus: float = 0.0,
) -> Callable[[F], F]:
    """Register a factory ``make(argument="…") -> Detector``: name and default argument are the function's own.

    The fields are those of DetectorSpec. Raises SpoofproofError for a cost that is no number of milliseconds, and for
    resources that no machine can give.
    """
    if not 0 <= cost < float("inf"):
        raise SpoofproofError(f"the cost of a detector is in ms a clip on one core, at least 0; got {cost}")
    if not 0 < cpus < float("inf") or not 0 <= gpus <= 1:
        raise SpoofproofError(
            f"a detector takes more than 0 cpus and 0 to 1 of a GPU; got cpus={cpus}, gpus={gpus}"
        )

    def register(make: F) -> F:
        summary = _first_sentence(make)
        spec = DetectorSpec(
            name or _name_of(make), make, rate, summary, seconds, batch, card, cost, wraps, cpus, gpus
        )
        detectors.add(spec, _home_of(make))
        return make

    return register


def metric(
    *,
    better: Literal["lower", "higher"],
    needs: Literal["ranks", "llr", "threshold"] = "ranks",
    name: str = "",
) -> Callable[[F], F]:
    """Register ``f(*, bonafide, spoof) -> float`` under its own name."""

    def register(run: F) -> F:
        metrics.add(
            MetricSpec(name or _name_of(run), run, better, needs, _first_sentence(run)), _home_of(run)
        )
        return run

    return register


def corpus(*, name: str = "") -> Callable[[F], F]:
    """Register a reader ``read(root, **options) -> list[Trial]``; ``-`` in the name stands for ``_``."""

    def register(read: F) -> F:
        spec: CorpusSpec = CorpusSpec(name or _name_of(read).replace("_", "-"), read, _first_sentence(read))
        corpora.add(spec, _home_of(read))
        return read

    return register


def read_corpus(text: str) -> Sequence[Trial]:
    """Trials of ``NAME``, ``NAME:ROOT`` (in-the-wild:/data/itw), or ``file.py:name[:ROOT]``. Raises UnknownName, BadCorpus."""
    name, _, root = text.partition(":")
    if name.endswith(".py"):
        attribute, _, root = root.partition(":")
        name = f"{name}:{attribute}"
    spec = corpora[name]
    return spec.read(Path(root).expanduser()) if root else spec.read()


def _name_of(f: object) -> str:
    return str(getattr(f, "__name__", type(f).__name__))


def _home_of(f: object) -> str:
    return str(getattr(f, "__module__", type(f).__module__))


def _first_sentence(f: object) -> str:
    doc = inspect.getdoc(f) or ""
    return " ".join(doc.split("\n\n")[0].split())


def _import_file(path: Path) -> str:
    path = path.expanduser().resolve()
    module = f"{_FILE}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if module in sys.modules:
        return module
    if not path.is_file():
        raise BadPlan(f"no such file: {path}. Expected FILE.py:NAME, such as my_detector.py:mine")
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    try:
        spec.loader.exec_module(loaded)
    except SpoofproofError:
        del sys.modules[module]
        raise
    except Exception as error:
        del sys.modules[module]
        raise SpoofproofError(f"{path} failed to import: {type(error).__name__}: {error}") from error
    return module


def _import_module(name: str) -> str:
    try:
        return importlib.import_module(name).__name__
    except ImportError as error:
        raise SpoofproofError(f"cannot import {name}: {error}") from error


_plugins_loaded = False


def _load_plugins() -> None:
    global _plugins_loaded
    if _plugins_loaded:
        return
    _plugins_loaded = True
    for point in importlib.metadata.entry_points(group="spoofproof"):
        try:
            point.load()
        except SpoofproofError:
            raise
        except Exception as error:
            raise SpoofproofError(
                f"the plug-in {point.name} ({point.value}) failed to import: {error}"
            ) from error
