"""A recipe: everything that decides a training run, in one TOML file that is kept beside the weights.

    detector = "aasist"              # the name of the weights; a network of spoofproof.nets, or lfcc-gmm
    summary = "what this recipe is for"
    seed = 1                         # every random draw depends on it
    initial = ""                     # a .pth state dictionary to start from (fine-tuning)
    window = 64600                   # samples at 16 kHz that the finished detector hears
    [data]                           # which clips
    [augment]                        # what is rendered once, to disk: corruptions of the bench, vocoded twins
    [live]                           # what is done anew to every crop
    [sampling]                       # how often what is drawn
    [network]                        # settings of the network, see ``spoofproof show`` and spoofproof.nets
    [optimiser]                      # how long, how fast, which loss
    [select]                         # what decides, on dev alone, which weights are kept; calibration
    [run]                            # where and how fast it runs; may be changed between a stop and going on

The keys of each table are the fields of the dataclass of that name below. lfcc-gmm has [data], [augment], [features]
and [model] only; for gmm-ubm, fusion and texture see train.mixtures. There is no key that names an evaluation part:
what a detector is measured on cannot be trained or selected on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import registry
from ..audio import WINDOW_SAMPLES
from ..corrupt import check_levels, steps
from ..detectors.cepstra import Front
from ..detectors.features import Lfcc
from ..detectors.prepare import RATE
from ..errors import BadPlan, UnknownName
from . import tables
from .mixtures import GMM, TABLES, Autoencoder, Fused, Texture, Ubm

OBJECTIVES = ("erm", "paired", "focal")


@dataclass(frozen=True)
class Data:
    """corpus: a registered corpus, "NAME" or "NAME:ROOT". leave_out: sources that are only scored, at the end
    (cross-validation by source). extra: further corpora whose train parts are learned from as well."""

    corpus: str = "manifest"
    leave_out: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class Augment:
    """copies: renderings of a clip, the first as it is. conditions: drawn for the others, up to ``chain`` in a row.

    held_out: corruptions (names or conditions) that no rendering goes through. copy_synthesis: vocoders (of
    corpora.vocoders) that make a spoofed twin of every bona fide clip. twins: at most so many bona fide clips get
    them, drawn by the seed, the sources balanced.
    """

    copies: int = 1
    conditions: tuple[str, ...] = ()
    chain: int = 1
    held_out: tuple[str, ...] = ()
    copy_synthesis: tuple[str, ...] = ()
    twins: int = 300


@dataclass(frozen=True)
class Gmm:
    """components: of each class's mixture over dynamics; smooth_components: over roughness; iterations of EM; floor of
    variances, as a share of the whole; frames: how many of each class a mixture learns from."""

    components: int = 64
    smooth_components: int = 1
    iterations: int = 20
    floor: float = 0.01
    frames: int = 200_000


@dataclass(frozen=True)
class Live:
    """What is done to a crop when it is drawn, to both classes alike; each with its own probability, 0 to 1.

    clean: that the crop is of the clip as it is, and not of one of its other renderings. rawboost: that one of
    ``kinds`` of RawBoost is added ("convolutive", "impulsive", "stationary"; see train.rawboost). bandwidth: that
    everything above a cut-off drawn from ``lowest`` Hz to 8 kHz is removed, so that what a file went through before
    it was collected says nothing. noise: that white noise is added, at ``snr`` dB (least and most). level: each crop is
    brought to the level, and to the mean of zero, that a whole window has. gain: largest change of level in dB after
    that, either way. mixup: the parameter of Zhang et al. 2018, 0 for none.
    """

    clean: float = 0.25
    rawboost: float = 0.0
    kinds: tuple[str, ...] = ("convolutive", "impulsive", "stationary")
    bandwidth: float = 0.0
    lowest: float = 3400.0
    noise: float = 0.0
    snr: tuple[float, ...] = (10.0, 40.0)
    level: bool = False
    gain: float = 0.0
    mixup: float = 0.0


@dataclass(frozen=True)
class Sampling:
    """spoof: share of a batch that is spoofed. copied: share of the spoofed that are vocoded twins.

    power: within label and kind, the chance of a group (source, generator, language) grows with its size to this
    power: 1 draws clips alike, 0 draws groups alike. paired: share of a batch that consists of pairs, a bona fide
    clip and its twin, cut at the same place and treated alike, so that nothing but the synthesis differs.
    """

    spoof: float = 0.5
    copied: float = 0.5
    power: float = 0.5
    paired: float = 0.0


@dataclass(frozen=True)
class Optimiser:
    """AdamW; its rate rises in a line over the share ``warm`` of the steps and falls by half a cosine to zero.

    clips: crops an epoch. crop: seconds, least and most; a batch shares one length. clip: largest norm of the
    gradient, 0 for any. smoothing: of labels. average: decay of the moving average of the weights, which is what is
    selected and shipped. weights: of the loss of bona fide and of spoofed clips. objective: "erm" is cross-entropy
    alone; "paired" adds ``weight`` times the shortfall below ``margin`` of a bona fide clip's log odds over its
    twin's; "focal" multiplies cross-entropy by (1 - p) to the power ``weight`` (Lin et al. 2017).
    """

    epochs: int = 20
    clips: int = 1600
    batch: int = 16
    crop: tuple[float, ...] = (2.0, 2.0)
    rate: float = 1e-3
    warm: float = 0.05
    decay: float = 1e-4
    clip: float = 5.0
    smoothing: float = 0.02
    average: float = 0.99
    weights: tuple[float, ...] = (1.0, 1.0)
    objective: str = "erm"
    weight: float = 0.0
    margin: float = 2.0


@dataclass(frozen=True)
class Select:
    """Which weights are kept: those with the best ``metric`` ("auroc" or "eer") on dev, every ``every`` epochs.

    The metric is averaged over dev as it is and under each of ``conditions``, and over ``kinds`` of spoof ("made": the
    corpus' own, "copied": twins of ``twins`` bona fide clips). seconds: how much of each dev clip is heard.
    calibrate: the log odds are fitted on dev as it is ("clean"), or on all of these renderings ("all"), always over
    the detector's whole window.
    """

    every: int = 1
    metric: str = "auroc"
    conditions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("made", "copied")
    twins: int = 20
    seconds: float = WINDOW_SAMPLES / RATE
    calibrate: str = "clean"


@dataclass(frozen=True)
class Run:
    """device: "auto", "cpu", "cuda", "cuda:1" … precision: "float32", "bf16", "f16" (the last two not on a CPU).

    threads: of arithmetic; the same weights every time need the same number. workers: processes that render clips;
    loaders: threads that prepare batches ahead; neither reaches a result. max_minutes: the training stops so long
    after the command began, with usable weights, and can go on later; 0 for never. save_minutes: between two states
    on disk. cache: folder of the renderings, shared by recipes; "" is "waves" beside the run's folder.
    """

    device: str = "auto"
    precision: str = "float32"
    threads: int = 1
    workers: int = 1
    loaders: int = 1
    max_minutes: float = 0.0
    save_minutes: float = 5.0
    cache: str = ""


@dataclass(frozen=True)
class Recipe:
    """See the module. ``text`` is the file as it was read; it is kept beside the weights."""

    detector: str
    summary: str
    seed: int = 1
    initial: str = ""
    window: int = WINDOW_SAMPLES
    data: Data = field(default_factory=Data)
    augment: Augment = field(default_factory=Augment)
    features: Lfcc = field(default_factory=Lfcc)
    gmm: Gmm = field(default_factory=Gmm)
    front: Front = field(default_factory=Front)
    ubm: Ubm = field(default_factory=Ubm)
    encoder: Autoencoder = field(default_factory=Autoencoder)
    fused: Fused = field(default_factory=Fused)
    texture: Texture = field(default_factory=Texture)
    live: Live = field(default_factory=Live)
    sampling: Sampling = field(default_factory=Sampling)
    network: Mapping[str, Any] = field(default_factory=dict)
    optimiser: Optimiser = field(default_factory=Optimiser)
    select: Select = field(default_factory=Select)
    run: Run = field(default_factory=Run)
    text: str = ""

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a recipe file. Raises BadPlan, UnknownName."""
        path = Path(path)
        return cls.parse(tables.read(path), name=path.name)

    @classmethod
    def parse(cls, text: str, *, name: str) -> Recipe:
        """From TOML text. Raises BadPlan for unknown keys and wrong values, UnknownName for unknown names."""
        table = tables.parse(text, f"recipe {name}")
        shared = ("detector", "summary", "seed", "data", "augment")
        if table.get("detector") in TABLES:
            mine = TABLES[table["detector"]]
            tables.refuse_unknown(table, (*shared, *mine), f"recipe {name}")
            table = {mine.get(key, key): value for key, value in table.items()}
        else:
            _check_name(table)
            own = ("initial", "window", "live", "sampling", "network", "optimiser", "select", "run")
            tables.refuse_unknown(table, (*shared, *own), f"recipe {name}")
        recipe = tables.build(cls, {**table, "text": text}, f"recipe {name}")
        _check_augment(recipe, name)
        if recipe.detector not in TABLES:
            _check_network(recipe, name)
        return recipe

    def like(self, text: str) -> bool:
        """Whether ``text`` is this recipe in all that reaches a result: its wording and [run] may differ."""
        other = Recipe.parse(text, name="recipe.toml")
        return replace(other, text="", run=Run()) == replace(self, text="", run=Run())

    @property
    def architecture(self) -> str:
        """The network's name in spoofproof.nets: [network] name, or the detector's own."""
        return str(self.network.get("name", self.detector))

    @property
    def settings(self) -> dict[str, Any]:
        """The network's settings: [network] without its name."""
        return {key: value for key, value in self.network.items() if key != "name"}


def family(condition: str) -> set[str]:
    """The corruptions in a condition's chain, by name."""
    return {spec.name for spec, _ in steps(condition)}


def _check_name(table: Mapping[str, Any]) -> None:
    """Raises UnknownName for a detector that is no network; without torch nobody can tell, and ``run`` says so."""
    try:
        from ..nets import NETWORKS
    except ImportError:
        return
    network = table.get("network", {})
    name = network.get("name", table.get("detector")) if isinstance(network, dict) else table.get("detector")
    if name not in NETWORKS:
        raise UnknownName.among("trainable detector", str(name), [*TABLES, *NETWORKS])


def _check_augment(recipe: Recipe, name: str) -> None:
    """What is held out is heard nowhere: not in training, not live, and not when weights are selected."""
    augment = recipe.augment
    for condition in (*augment.conditions, *recipe.select.conditions):
        check_levels(condition)
    heard = {f"{c!r} is trained on": (c, family(c)) for c in augment.conditions}
    heard |= {f"{c!r} decides which weights are kept": (c, family(c)) for c in recipe.select.conditions}
    if recipe.live.bandwidth:
        heard["[live] bandwidth is the same"] = ("", {"low_pass", "resample"})
    if recipe.live.noise or (recipe.live.rawboost and "stationary" in recipe.live.kinds):
        heard["[live] adds such noise"] = ("", {"gaussian_noise"})
    for held in augment.held_out:
        bare = held in registry.corruptions and registry.corruptions[held].levels
        names = {held} if bare else family(held)
        for why, (condition, used) in heard.items():
            if condition == held or ((bare or not condition) and names & used):
                raise BadPlan(
                    f"recipe {name}: {held!r} is held out and {why}. A corruption is unseen "
                    "only if nothing of it was seen; take it out of one of the two lists"
                )
    if augment.copies < 1 or augment.chain < 1 or augment.twins < 1:
        raise BadPlan(f"recipe {name}: copies, chain and twins are at least 1")
    if augment.copies > 1 and not augment.conditions:
        raise BadPlan(f"recipe {name}: more than one copy needs conditions that tell the copies apart")
    from ..corpora.vocoders import VOCODERS

    if recipe.detector == GMM and not augment.copy_synthesis:
        raise BadPlan(f"recipe {name}: copy_synthesis names no vocoder. Known: {', '.join(VOCODERS)}")
    for vocoder in augment.copy_synthesis:
        if vocoder not in VOCODERS:
            raise UnknownName.among("vocoder", vocoder, VOCODERS)


def _check_network(recipe: Recipe, name: str) -> None:
    """Ranges, and words that must be one of a few. Raises BadPlan, UnknownName."""
    from .rawboost import KINDS

    live, sampling, o, select, run = (
        recipe.live,
        recipe.sampling,
        recipe.optimiser,
        recipe.select,
        recipe.run,
    )
    for kind, word, known in (
        *(("kind of RawBoost", k, KINDS) for k in live.kinds),
        ("objective", o.objective, OBJECTIVES),
        ("metric of selection", select.metric, ("auroc", "eer")),
        *(("kind of spoof", k, ("made", "copied")) for k in select.kinds),
        ("choice of renderings for calibration", select.calibrate, ("clean", "all")),
        ("precision", run.precision, ("float32", "bf16", "f16")),
    ):
        if word not in known:
            raise UnknownName.among(kind, word, known)
    shares = {
        "live.clean": live.clean, "live.rawboost": live.rawboost, "live.bandwidth": live.bandwidth,
        "live.noise": live.noise, "sampling.spoof": sampling.spoof, "sampling.copied": sampling.copied,
        "sampling.power": sampling.power, "sampling.paired": sampling.paired, "optimiser.warm": o.warm,
        "optimiser.average": o.average, "optimiser.smoothing": 2 * o.smoothing,
    }  # fmt: skip
    counts = {
        "optimiser.epochs": o.epochs, "optimiser.clips": o.clips, "optimiser.batch": o.batch,
        "select.every": select.every, "select.twins": select.twins, "run.threads": run.threads,
        "run.workers": run.workers, "run.loaders": run.loaders, "window": recipe.window // 8000,
    }  # fmt: skip
    pairs = {
        "live.snr": (live.snr, -100.0),
        "optimiser.crop": (o.crop, 0.5),
        "optimiser.weights": (o.weights, 0.0),
    }
    wrong = [f"{key} lies between 0 and 1" for key, value in shares.items() if not 0 <= value <= 1]
    wrong += [
        f"{key} is at least {8000 if key == 'window' else 1}" for key, value in counts.items() if value < 1
    ]
    wrong += [
        f"{key} is two numbers, each at least {least:g}"
        for key, (v, least) in pairs.items()
        if len(v) != 2 or min(v) < least
    ]
    wrong += ["live.kinds names at least one kind"] if live.rawboost and not live.kinds else []
    wrong += ["optimiser.rate is above 0"] if o.rate <= 0 else []
    wrong += ["select.seconds is at least 0.5"] if select.seconds < 0.5 else []
    wrong += ["select.kinds names at least one kind"] if not select.kinds else []
    if not 100 <= live.lowest <= RATE / 2:
        wrong.append(f"live.lowest lies between 100 and {RATE // 2} Hz")
    if (sampling.paired or o.objective == "paired") and not recipe.augment.copy_synthesis:
        wrong.append("pairs need twins: name vocoders in augment.copy_synthesis")
    if o.objective == "paired" and (not sampling.paired or live.mixup):
        wrong.append("the objective paired needs sampling.paired above 0, and no mixup")
    if wrong:
        raise BadPlan(f"recipe {name}: {'; '.join(wrong)}")
