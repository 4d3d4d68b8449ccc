"""Why: which regions moved the score, which artefacts were measured, and how often they are met; each with its number.

ear.py          a detector as a black box, its calls counted; the excerpt that is explained
spectra.py      what regions are cut out of, and what is put in their place
occlusion.py    the map: what each region of time and frequency did to the score
deletion.py     is the map true? deletion in its order against random orders
artefacts/      named measures, one file an idea
reference.py    how often a value is met in real and in synthetic speech
assess.py       which measures are strong; survey.py measures the reference speech
why.py          all of it for one clip
summary.py      sentences made from these facts only
page.py         one self-contained page
"""

from .facts import Explanation, Finding
from .why import explain

__all__ = ["Explanation", "Finding", "explain"]
