"""The only room that opens ONNX networks: one thread, one order of sums, and errors that are sentences.

ONNX Runtime runs whatever makes sound, and is the default of all; detectors ask for the engine that a person has ``chosen``.
"""

from .engines import DEFAULT, ENGINES, TOLERANCE, VARIABLE, Network, choose, chosen, network
from .pieces import Arrays, in_pieces

__all__ = [
    "DEFAULT",
    "ENGINES",
    "TOLERANCE",
    "VARIABLE",
    "Arrays",
    "Network",
    "choose",
    "chosen",
    "in_pieces",
    "network",
]
