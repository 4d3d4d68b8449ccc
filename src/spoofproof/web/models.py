"""What the service answers, as schemas: these are what ``/openapi.json`` says, and answers are held against them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from .jobs import Item, Job

Share = Annotated[float, Field(ge=0, le=1)]
VerdictWord = Literal["likely real", "likely synthetic", "cannot tell"]


class WindowBody(BaseModel):
    """A stretch of the recording as the detector heard it; neighbours overlap."""

    start: float = Field(description="In seconds.")
    end: float
    llr: float = Field(
        description="Natural log of the likelihood of real over synthetic speech; higher = more real."
    )
    probability: Share = Field(description="That it is synthetic.")
    speech: float = Field(description="Seconds of it in which somebody speaks.")


class QualityBody(BaseModel):
    """What was measured of the recording itself."""

    seconds: float
    rate: int = Field(description="Its own sampling rate in Hz.")
    channels: int
    speech_seconds: float
    speech_share: Share
    snr_db: float | None = Field(description="Speech over noise; null without speech.")
    level_dbfs: float
    bandwidth_hz: float
    cutoff_hz: float | None = Field(description="Where the spectrum breaks off sharply.")
    cutoff_like: str
    clipping_share: Share
    hole_share: Share
    codec: str = Field(description="Traces of an encoder, in words; empty for none.")


class ReliabilityBody(BaseModel):
    """How the detector did on development clips of such quality."""

    quality: str
    misses: Share = Field(description="Share of synthetic clips taken for real.")
    misses_interval: tuple[float, float]
    n_synthetic: int
    accuses: Share = Field(description="Share of real clips taken for synthetic.")
    accuses_interval: tuple[float, float]
    n_real: int
    text: str


class RegionBody(BaseModel):
    """A part of the spectrogram, and what taking it out does to the score."""

    start: float = Field(description="In seconds of the excerpt.")
    end: float
    low_hz: float
    high_hz: float
    change: float = Field(
        description="Score of the whole minus score without it; below 0 it spoke for synthesis."
    )


class FindingBody(BaseModel):
    """One measured artefact beside the reference speech."""

    name: str
    family: str
    unit: str
    value: float | None = Field(description="Null where it could not be measured.")
    said: str
    why: str = Field(description="Why it could not be measured.")
    meaning: str
    real: float | None = Field(description="Share of real reference clips that are at least as far out.")
    synthetic: float | None = Field(description="Share of synthetic reference clips that are.")
    n_real: int
    n_synthetic: int
    speaks: Literal["spoof", "bonafide", ""] = Field(
        description="For which side, where it is rare on the other."
    )
    strong: bool = Field(description="Whether the measure tells the classes apart by itself.")


class ExplainBody(BaseModel):
    """Why the detector said it, of at most four seconds."""

    detector: str
    unit: str = Field(description="Of the scores.")
    start: float
    end: float
    score: float
    summary: list[str] = Field(description="Sentences made of these facts only.")
    regions: list[RegionBody]
    findings: list[FindingBody]
    faithful: bool = Field(
        description="Whether taking the regions out moved the score more than chance would."
    )
    beaten: Share = Field(description="Share of random orders of deletion that the map did better than.")


class AnswerBody(BaseModel):
    """What is answered about any sound: a recording, or the last seconds of a stream."""

    seconds: float
    verdict: VerdictWord
    probability: Share = Field(description="That it is synthetic, at the prior.")
    low: Share = Field(description="Lower end of its 95 % interval.")
    high: Share
    llr: float = Field(
        description="Natural log of the likelihood of real over synthetic speech; higher = more real."
    )
    detector: str
    prior: Share = Field(description="Probability of synthetic before listening.")
    reasons: list[str] = Field(description="Why it cannot tell; empty where it can.")
    quality: QualityBody
    reliability: ReliabilityBody | None = Field(description="Null where nothing was measured on such audio.")


class LiveBody(AnswerBody):
    """The answer about the last seconds of a stream."""

    start: float = Field(description="Of what was heard, in seconds of the stream.")
    end: float
    seconds_late: float = Field(description="From the arrival of the last sample to this answer.")


class DetectBody(AnswerBody):
    """The answer about one recording."""

    timeline: list[WindowBody]
    spans: list[tuple[float, float]] = Field(
        description="Start and end, in seconds, of what looks synthetic."
    )


class CorruptionBody(BaseModel):
    """A corruption that can be applied."""

    name: str
    family: str = Field(description="noise, modification, compression or control")
    summary: str
    unit: str = Field(description="Of the levels.")
    levels: list[str] = Field(description="Mild to severe; empty where there is none.")
    conditions: list[str] = Field(description="What to send as ``condition``, one for each level.")
    missing: str = Field(description="Why it cannot run here; empty when it can.")


class ItemBody(BaseModel):
    """One file of a job, in the order in which they were sent."""

    state: Literal["queued", "running", "done", "failed"]
    result: DetectBody | None = Field(None, description="The answer, once it is done.")
    problem: str = Field("", description="Why there is no answer, where it failed.")


class JobBody(BaseModel):
    """A job: its items are answered one after the other."""

    id: str
    state: Literal["queued", "running", "done", "failed"] = Field(
        description="done: every file has ended, at least one with an answer. failed: none has one."
    )
    created: float = Field(description="Seconds since 1970.")
    items: list[ItemBody]


class JobList(BaseModel):
    """Ids of jobs, the newest first."""

    jobs: list[str]


class RunBody(BaseModel):
    """A bench run."""

    name: str
    plan: str
    summary: str
    corpus: str
    trials: int
    made: str = Field(description="When, as ISO 8601.")
    detectors: list[str]
    conditions: list[str]
    report: str | None = Field(description="Where its page is; null where none was written.")


class Health(BaseModel):
    """Whether the service can answer."""

    status: Literal["ok", "starting", "broken"]
    detail: str = Field(description="What is broken, in a sentence; empty otherwise.")
    version: str
    detector: str
    workers: int = Field(description="Processes that are up.")
    queue: int = Field(description="Items that wait.")
    sandbox: list[str] = Field(
        description="What closes the workers off: limits (setrlimit), files (Landlock), calls (seccomp)."
    )


class SessionBody(BaseModel):
    """Who the page speaks for."""

    keys: bool = Field(description="Whether the service asks for keys.")
    name: str = Field(description="Of the key; empty without one.")


def job_body(job: Job) -> JobBody:
    """A job as its owner sees it."""
    return JobBody(id=job.id, state=job.state, created=job.created, items=[_item(item) for item in job.items])


def _item(item: Item) -> ItemBody:
    result = None if item.result is None else DetectBody.model_validate(item.result)
    return ItemBody(state=item.state, result=result, problem=item.problem)
