"""The shape of the house: one direction of import, one public namespace, a light import, short files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
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


def imported_rooms(path: Path) -> set[str]:
    """Rooms of this package that a module imports, at the top or inside a function (type-checking blocks excepted)."""
    package = ["spoofproof", *path.relative_to(SRC).parts[:-1]]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            full = [*base, *(node.module or "").split(".")] if node.module else base
            if full[:1] != ["spoofproof"]:
                continue
            found.update([full[1]] if len(full) > 1 else [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            found.update(a.name.split(".")[1] for a in node.names if a.name.startswith("spoofproof."))
    return found - {"__version__"}


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
