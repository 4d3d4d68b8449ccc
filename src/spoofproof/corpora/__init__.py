"""Corpora. Importing this room registers the readers; one file a family, one import line each.

A reader of one's own needs nothing from here: ``@spoofproof.corpus()`` above ``read(root) -> trials``.
"""

from . import asvspoof, builtin, folders, inthewild, manifest, mlaad, sonics, wavefake, xmad

__all__ = ["asvspoof", "builtin", "folders", "inthewild", "manifest", "mlaad", "sonics", "wavefake", "xmad"]
