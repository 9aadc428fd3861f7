"""CLIP-powered data selection: keep images that agree with their label and differ from each other.

For labelled classification data, after Yang et al., "CLIP-powered data selection" (ICLR 2025, arXiv 2410.11215): an
image scores high if it lies close to the text of its label and far from the other images of its class. Wrong labels
and damaged images score low. ``docs/clip-powered.md`` says where this differs from the paper, and why.
"""

from .api import (
    ClipPoweredScores,
    check_optimizer,
    check_threshold,
    clip_powered_ranking,
    clip_powered_scores,
    find_suspicious_labels,
    select_clip_powered,
)
from .noise import SuspiciousLabels

__all__ = [
    "ClipPoweredScores",
    "SuspiciousLabels",
    "check_optimizer",
    "check_threshold",
    "clip_powered_ranking",
    "clip_powered_scores",
    "find_suspicious_labels",
    "select_clip_powered",
]
