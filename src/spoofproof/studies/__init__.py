"""Studies: one question each, one command, one folder with a report. What is in the folder is not done again.

common.py      trials, the folder's claim, means over conditions, paired differences
seeds.py       intervals over training seeds and trials at once
augment.py     clean training against training with corruptions, on seen and on held-out ones
size.py        robustness against parameters and cost
parameters.py  how many numbers a detector has learnt
enhance.py     a speech enhancer in front of a detector: what it gains and what it costs
politics.py    political speech as it is shared
axis.py        the levels of a corruption as something to search along
severity.py    levels at which a reference detector falls to stated accuracies
"""
