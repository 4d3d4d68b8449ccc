"""Score files of the field, in and out. Polarity is stated by the format or by the caller, never guessed.

| format | a line | labels | a higher score means |
|---|---|---|---|
| asvspoof2019 | `utterance attack key score`, blanks | in the file | bona fide |
| asvspoof2021 | `trial score`, blanks, no header | key file | bona fide |
| asvspoof5 | tab-separated, header `filename cm-score` | key file `filename cm-label` or protocol | bona fide |
| superb | `utterance - key score`; ids may hold blanks | in the file | bona fide |
| antideepfake | CSV `ID,Score,Label`, Score = `[fake logit, real logit]` | in the file, 1 = real | real: real minus fake logit |
| lab260 | `trial score`, blanks | key file; 0 = bona fide | bona fide |
| csv | CSV with columns `id,score` and perhaps `label,speaker,attack` | in the file or key | must be stated |
"""

from __future__ import annotations

from .evaluate import METRICS, FileResults, evaluate_files
from .read import ScoreFile, read_key, read_scores
from .rows import FORMATS
from .write import write_scores

__all__ = [
    "FORMATS",
    "METRICS",
    "FileResults",
    "ScoreFile",
    "evaluate_files",
    "read_key",
    "read_scores",
    "write_scores",
]
