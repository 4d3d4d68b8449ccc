"""The shape of the house: one direction of import, one public namespace, a light import, short files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import spoofproof
from spoofproof import registry

SRC = Path(spoofproof.__file__).parent
MODULES = sorted(SRC.rglob("*.py"))

# Each room may import from the rooms before it (and from itself). A module's room is its first path component.
FLOORS = [
    {"errors", "interrupt"},
    {"types", "files"},
    {"streams", "registry", "audio", "runtime"},
    {"ask"},
    {"weights", "shipped"},
    {"nets", "enhance", "mel", "spectrum"},
    {"corpora", "corruptions", "detectors", "metrics", "scores"},
    {"corrupt", "stats", "calibrate", "subsample"},
    {"plan", "results", "score_files"},
    {"cell", "report", "train"},
    {"scale", "listing"},
    {"cost"},
    {"bench"},
    {"budget"},
    {"studies", "gate", "explain", "detect"},
    {"web"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def room(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, ...]]:
    """What a module imports of this package, at the top or inside a function, as dotted parts below ``spoofproof``: the
    module, and each name that is taken from it."""
    package = ["spoofproof", *path.relative_to(SRC).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            full = [*base, *(node.module or "").split(".")] if node.module else base
            if full[:1] == ["spoofproof"]:
                yield from ((*full[1:], alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (tuple(a.name.split(".")[1:]) for a in node.names if a.name.startswith("spoofproof."))


def imported_rooms(path: Path) -> set[str]:
    """Rooms of this package that a module imports."""
    return {parts[0] for parts in imports(path)} - {"__version__"}


def imported_modules(path: Path) -> set[Path]:
    """Files of this package that a module imports: the longest part of each name that is a file or a folder."""
    found = set()
    for parts in imports(path):
        for length in range(len(parts), 0, -1):
            place = SRC.joinpath(*parts[:length])
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            if file.exists():
                found.add(file)
                break
    return found - {path}


def test_no_module_leads_back_to_itself() -> None:
    """Not even by an import inside a function. (A room's front door may lead to its rooms and is left out.)"""
    graph = {path: imported_modules(path) for path in MODULES if path.name != "__init__.py"}
    sorter = TopologicalSorter({path: {p for p in to if p in graph} for path, to in graph.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " → ".join(str(path.relative_to(SRC)) for path in reversed(error.args[1]))
        raise AssertionError(circle) from None
    assert len(graph) > 250 and sum(map(len, graph.values())) > 800


def test_every_room_is_on_a_floor() -> None:
    rooms = {room(path) for path in MODULES} - {"__init__"}
    assert rooms <= set(FLOOR_OF), f"rooms without a floor: {sorted(rooms - set(FLOOR_OF))}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if room(p) != "__init__"], ids=lambda p: str(p.relative_to(SRC))
)
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    for other in imported_rooms(path) - {here}:
        assert FLOOR_OF[other] < FLOOR_OF[here], (
            f"{path.relative_to(SRC)} imports {other}, which does not stand below it"
        )


def test_report_and_below_never_import_torch() -> None:
    allowed = {"nets", "train", "corruptions", "detectors"}  # inside functions, behind an extra
    for path in MODULES:
        if room(path) not in allowed:
            names = {
                n.name
                for x in ast.walk(ast.parse(path.read_text()))
                if isinstance(x, ast.Import)
                for n in x.names
            }
            assert "torch" not in names, path


def test_public_names_are_sorted_and_importable() -> None:
    assert spoofproof.__all__ == sorted(spoofproof.__all__)
    for name in spoofproof.__all__:
        assert getattr(spoofproof, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        spoofproof.nonsense  # noqa: B018


def test_import_and_help_are_light() -> None:
    code = (
        "import sys, spoofproof, spoofproof.cli; "
        "heavy = {'torch', 'scipy', 'onnxruntime', 'av', 'soundfile', 'pyarrow', 'plotly', 'transformers', 'numpy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_no_global_randomness_no_bare_excepts_and_no_absolute_paths(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for banned in (r"np\.random\.(seed|rand)", r"\brandom\.seed\(", r"except:", r"""["']/[a-z]+/"""):
        assert re.search(banned, text) is None, f"{banned} in {path.name}"


@pytest.mark.parametrize("spec", list(registry.corruptions), ids=lambda s: s.name)
def test_corruptions_say_what_they_are(spec: object) -> None:
    assert isinstance(spec, registry.CorruptionSpec)
    assert spec.summary and spec.origin and (spec.unit or not spec.levels)


@pytest.mark.parametrize(
    "spec",
    [*registry.detectors, *registry.metrics, *registry.corpora],
    ids=lambda s: f"{type(s).__name__}-{s.name}",
)
def test_everything_registered_has_a_docstring(spec: object) -> None:
    assert len(spec.summary) > 20  # type: ignore[attr-defined]
