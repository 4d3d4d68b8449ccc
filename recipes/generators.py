"""Judge the shipped vocoders and codec on recordings never trained on: python recipes/generators.py DATA [FOLDER]

DATA is the root of the manifest corpus; its bona fide clips of the test part are used, trimmed and levelled as the
detectors do it. Lyra V2 takes part where its weights are (SPOOFPROOF_LYRA, or weights/lyra under DATA). Figures of
every clip are kept in FOLDER (default runs/generators) and not made twice; the table is printed as Markdown, and the
cards of the shipped networks are given their figures.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from spoofproof import registry, shipped
from spoofproof.audio import open_audio, whole_file
from spoofproof.corpora.vocoders import VOCODERS
from spoofproof.detectors.prepare import RATE, level, trim
from spoofproof.errors import BadAudio
from spoofproof.scores import write_json
from spoofproof.streams import stream
from spoofproof.train.generative.fidelity import mel_distance, spectral_distance, stoi
from spoofproof.types import Clip, Trial

Make = Callable[[Clip], Clip]
MEASURES = {"mel distance, dB": mel_distance, "log-spectral distance, dB": spectral_distance, "STOI": stoi}
DRAWS = 2000
OURS = {
    "neural_vocoder": "neural-vocoder",
    "neural_codec": "neural-codec",
}
# Each of ours beside what it is measured against: the same mel input, and the nearest bit rate.
PAIRS = {
    "neural_vocoder": "mel_inversion",
    "neural_codec@6": "neural_codec.lyra@6",
    "neural_codec@3": "neural_codec.lyra@3.2",
    "neural_codec@1.5": "neural_codec.lyra@3.2",
}
ORDER = ("mel_inversion", "neural_vocoder", "neural_codec.lyra@9.2", "neural_codec.lyra@6",
         "neural_codec.lyra@3.2", "neural_codec@6", "neural_codec@3", "neural_codec@1.5")  # fmt: skip


def main(data: Path, folder: Path) -> None:
    """Measure what is missing, print the table, update the cards."""
    if (data / "weights" / "lyra").is_dir():
        os.environ.setdefault("SPOOFPROOF_LYRA", str(data / "weights" / "lyra"))
    trials = [
        t for t in registry.read_corpus(f"manifest:{data}") if t.part == "eval" and t.label == "bonafide"
    ]
    found: dict[str, dict[str, list[float]]] = {}
    for name in ORDER:
        make = system(name)
        if make is not None:
            found[name] = measured(name, make, trials, folder)
    usable = [t for t in trials if all(t.id in rows for rows in found.values())]
    values = {name: np.array([rows[t.id] for t in usable]) for name, rows in found.items()}
    print(table(values, [t.source for t in usable]))
    cards(values, [t.source for t in usable])


def system(name: str) -> Make | None:
    """The vocoder or codec of that name, None where it cannot run here (and says so)."""
    own = OURS.get(name.partition("@")[0])
    if own and not (shipped.FOLDER / f"{own}.onnx").exists():
        print(f"{name}: no weights in this package", file=sys.stderr)
        return None
    if name in VOCODERS:
        return lambda clip: VOCODERS[name](clip, stream(0, "generators", name))
    spec, _, shown = name.partition("@")
    codec = registry.corruptions[spec]
    if missing := codec.available():
        print(f"{name}: {missing}", file=sys.stderr)
        return None
    return lambda clip: codec.run(clip, float(shown), stream(0, "generators", name))


def measured(name: str, make: Make, trials: Sequence[Trial], folder: Path) -> dict[str, list[float]]:
    """The three measures of every clip that holds enough speech for them, by trial; kept beside the weights' digest."""
    own = OURS.get(name.partition("@")[0])
    version = shipped.sha256(shipped.FOLDER / f"{own}.onnx")[:16] if own else "as-it-is"
    kept = folder / f"{name}-{version}.json"
    if kept.exists():
        rows: dict[str, list[float]] = json.loads(kept.read_text(encoding="utf-8"))
        return rows
    rows = {}
    for done, trial in enumerate(trials):
        clean = level(trim(open_audio(trial.path, RATE, seconds=10.0)))
        try:
            made = make(clean)
            rows[trial.id] = [measure(clean, made) for measure in MEASURES.values()]
        except BadAudio as error:
            print(f"{trial.id}: {error}", file=sys.stderr)
        print(f"\r{name} {done + 1}/{len(trials)} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    with whole_file(kept) as file:
        file.write(json.dumps(rows).encode())
    return rows


def draws(sources: Sequence[str]) -> list[np.ndarray]:
    """Resamples of whole sources, as indices of clips: clips of one page are not independent."""
    names = sorted(set(sources))
    place = {name: np.flatnonzero(np.array(sources) == name) for name in names}
    rng = stream(0, "generators", "bootstrap")
    return [
        np.concatenate([place[names[i]] for i in rng.integers(0, len(names), len(names))])
        for _ in range(DRAWS)
    ]


def interval(values: np.ndarray, resamples: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Mean over clips and its 95 % percentile interval."""
    means = np.array([values[index].mean() for index in resamples])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def table(values: Mapping[str, np.ndarray], sources: Sequence[str]) -> str:
    """Markdown: means with intervals, then differences from what each is measured against."""
    resamples = draws(sources)
    count = f"{len(sources)} clips of {len(set(sources))} sources"
    lines = [
        f"Bona fide clips of the test part ({count}), 95 % intervals by resampling whole sources.",
        "",
        f"| what | {' | '.join(MEASURES)} |",
        "| --- |" + " --- |" * len(MEASURES),
    ]
    for name, rows in values.items():
        lines.append(
            f"| `{name}` | " + " | ".join(cell(rows[:, i], resamples, i) for i in range(len(MEASURES))) + " |"
        )
    lines += [
        "",
        f"| difference, clip by clip | {' | '.join(MEASURES)} |",
        "| --- |" + " --- |" * len(MEASURES),
    ]
    for one, other in PAIRS.items():
        if one in values and other in values:
            apart = values[one] - values[other]
            cells = [cell(apart[:, i], resamples, i, "+") for i in range(len(MEASURES))]
            lines.append(f"| `{one}` minus `{other}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(values: np.ndarray, resamples: Sequence[np.ndarray], measure: int, sign: str = "") -> str:
    places = 3 if list(MEASURES)[measure] == "STOI" else 2
    mean, low, high = (f"{v:{sign}.{places}f}" for v in interval(values, resamples))
    return f"{mean} [{low}, {high}]"


def cards(values: Mapping[str, np.ndarray], sources: Sequence[str]) -> None:
    """Write the test figures into the cards of the networks that were judged."""
    resamples = draws(sources)
    for own in dict.fromkeys(OURS.values()):
        mine = {name: rows for name, rows in values.items() if OURS.get(name.partition("@")[0]) == own}
        if not mine:
            continue
        path = shipped.FOLDER / f"{own}.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        card["figures"]["test"] = {
            "clips": len(sources),
            "sources": len(set(sources)),
            **{
                name: {
                    key: [round(v, 4) for v in interval(rows[:, i], resamples)]
                    for i, key in enumerate(MEASURES)
                }
                for name, rows in mine.items()
            },
        }
        write_json(path, card)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else Path("runs") / "generators")
