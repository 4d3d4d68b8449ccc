"""Named arrays and settings in one .npz whose bytes depend on the content alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import whole_file

# what reading another file, half a file or one with other contents may raise
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    IndexError,
    zipfile.BadZipFile,
)


def save_arrays(path: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``settings`` (as JSON, keys sorted) and ``arrays`` in their order, without dates. Raises RunConflict."""
    text = np.frombuffer(json.dumps(settings, sort_keys=True).encode(), dtype=np.uint8)
    with whole_file(path) as out, zipfile.ZipFile(out, "w") as archive:
        for key, array in {"settings": text, **arrays}.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED)


def load_arrays(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What ``save_arrays`` wrote: (settings, arrays). Raises one of UNREADABLE for anything else."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        held = {key: file[key] for key in file.files}
    settings: dict[str, Any] = json.loads(held.pop("settings").tobytes())
    return settings, held
