"""Eight detectors on published foundation models. None ships: each is fine-tuned first, and then is a folder.

What the backbones are, how they hear, how they are saved: ``spoofproof.nets.foundation``. Here they are registered, with
cards that say what is known of the published weights, and run: clip by clip, so that no score depends on another clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .. import runtime
from ..errors import MissingPart
from ..registry import detector
from ..types import Clip, Detector
from .prepare import RATE, prepare

_GPU = 0.1  # of one GPU: 600 million float32 parameters and as much again to think with, on a card of 40 GB and more


@dataclass(frozen=True, slots=True)
class Published:
    """source: the weights on the hub. licence: theirs. data: what they were trained on; seen: the same, as names.

    cost: milliseconds of one core for 4 s of audio, of the published size (measured, or by its operations from those
    that were). hears: what is particular about its input.
    """

    name: str
    what: str
    source: str
    licence: str
    data: str
    seen: tuple[str, ...]
    cost: float
    hears: str = "Any length of the waveform, standardised where the published model asks for it."


PUBLISHED: tuple[Published, ...] = (
    Published(
        "wav2vec2",
        "wav2vec 2.0 (Baevski et al. 2020)",
        "facebook/wav2vec2-large-960h",
        "Apache-2.0",
        "LibriSpeech, 960 hours of read English, without and then with text",
        ("librispeech",),
        2_200,
    ),
    Published(
        "hubert",
        "HuBERT (Hsu et al. 2021)",
        "facebook/hubert-large-ls960-ft",
        "Apache-2.0",
        "Libri-Light, 60 000 hours of read English, then LibriSpeech with text",
        ("librilight", "librispeech"),
        2_200,
    ),
    Published(
        "w2v-bert",
        "w2v-BERT 2.0 (Seamless Communication 2023)",
        "facebook/w2v-bert-2.0",
        "MIT",
        "4.5 million hours of speech in 143 languages that were never listed: any public recording may be among them",
        ("unlisted web audio",),
        3_400,
        "Log-mel spectra, standardised per bin and clip; any length.",
    ),
    Published(
        "whisper",
        "Encoder of Whisper (Radford et al. 2023)",
        "openai/whisper-small",
        "Apache-2.0",
        "680 000 hours of web audio with transcripts that were never listed: any public recording may be among them",
        ("unlisted web audio",),
        4_500,
        'Log-mel spectra of the first 30 s, padded with silence to 30 s as the model was trained; context = "clip" in '
        "the recipe leaves the padding out, which costs several times less and gives other scores.",
    ),
    Published(
        "clap",
        "Audio encoder of CLAP (Wu et al. 2023)",
        "laion/clap-htsat-unfused",
        "Apache-2.0",
        "LAION-Audio-630K (sounds, music and speech from sound libraries and the web) with captions",
        ("laion-audio-630k",),
        220,
        "Log-mel spectra at 48 kHz of the first 10 s, a shorter clip repeated. The clip comes at 16 kHz, as in training, "
        "and is resampled: above 8 kHz there is nothing.",
    ),
    Published(
        "wavlm",
        "WavLM (Chen et al. 2022)",
        "microsoft/wavlm-large",
        "CC-BY-SA-3.0",
        "Libri-Light, GigaSpeech and VoxPopuli, 94 000 hours of English, mixed with noise and with each other",
        ("librilight", "gigaspeech", "voxpopuli"),
        2_200,
    ),
    Published(
        "xls-r",
        "XLS-R (Babu et al. 2022)",
        "facebook/wav2vec2-xls-r-300m",
        "Apache-2.0",
        "VoxPopuli, MLS, Common Voice, VoxLingua107 and BABEL, 436 000 hours in 128 languages",
        ("voxpopuli", "mls", "common voice", "voxlingua107", "babel"),
        2_200,
    ),
    Published(
        "ast",
        "Audio Spectrogram Transformer (Gong et al. 2021)",
        "MIT/ast-finetuned-audioset-10-10-0.4593",
        "BSD-3-Clause",
        "ImageNet, then AudioSet (sounds, music and speech from videos) with labels",
        ("audioset",),
        3_500,
        "Log-mel spectra of the first 10.24 s, padded with zeros to that.",
    ),
)


def _card(one: Published) -> Callable[[], Mapping[str, object]]:
    return lambda: {
        "kind": "foundation",
        "backbone": one.source,
        "data": f"No spoofed speech: this is a backbone, not a detector. The backbone heard {one.data}.",
        "date": "2026-11-24",
        "licence": f"The published weights: {one.licence}. None of them is part of this package.",
        "contamination": list(one.seen),
        "augmentation": [],
        "input": one.hears,
        "needs": "pip install 'spoofproof[foundation]'",
        "how": (
            f'Fine-tune it: a recipe with detector = "{one.name}" and, under [network], source = "{one.source}" (or a local '
            'folder), head = "mean" or "aasist", tune = "full", "head" or "layernorm"; then spoofproof train RECIPE.toml, '
            f"and spoofproof bench --detector {one.name}@FOLDER with the folder that it wrote."
        ),
        "limits": (
            "Ships without weights and scores nothing until it has been fine-tuned. What it was pre-trained on it knows: "
            "bona fide speech of those corpora, and spoofed copies of it, are not new to it. On a GPU the backbone runs "
            "in half precision, so that scores differ slightly from those of a processor."
        ),
    }


def _factory(one: Published) -> Callable[..., Detector]:
    def make(source: str = "") -> Detector:
        if not source:
            raise MissingPart(
                f"{one.name} ships without weights. Fine-tune {one.source} first (spoofproof show {one.name} says how), "
                f"then ask for {one.name}@FOLDER"
            )
        return _load(one.name, source)

    make.__name__ = make.__qualname__ = one.name.replace("-", "_")
    make.__doc__ = f"""{one.what}, fine-tuned: score is the log odds of bona fide. Ships without weights.

    source: the folder of a fine-tuned detector, or its OWNER/NAME on the hub. Raises MissingPart without a trained head
    or the extra foundation, SpoofproofError for a folder of another architecture or a damaged one.
    """
    return make


for _one in PUBLISHED:
    detector(rate=RATE, name=_one.name, batch=1, cost=_one.cost, card=_card(_one), gpus=_GPU)(_factory(_one))


def _load(name: str, source: str) -> Detector:
    try:
        import torch

        from ..nets import foundation
    except ImportError:
        raise MissingPart.extra(name, "foundation") from None
    network, facts = foundation.load(name, source)
    device = foundation.device()
    half = foundation.half(device)
    network.to(device)
    if device.type == "cpu" and runtime.chosen() == "openvino" and facts.context == "published":
        from ..nets.compiled import Compiled

        network.backbone = Compiled(network.backbone)
    scale, offset = facts.calibration

    def score(clips: Sequence[Clip]) -> list[float]:
        scores = []
        with (
            _one_thread(),
            torch.inference_mode(),
            torch.autocast(device.type, half, enabled=half is not None),
        ):
            for clip in clips:  # one at a time: a score never depends on its batch mates
                wave = torch.from_numpy(prepare(clip, facts.window).samples)[None].to(device)
                spoof, bonafide = network(wave)[0].double().tolist()
                scores.append(scale * (bonafide - spoof) + offset)
        return scores

    return score


@contextmanager
def _one_thread() -> Iterator[None]:
    """As everywhere in a worker: the same sums in the same order, however many workers there are."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
