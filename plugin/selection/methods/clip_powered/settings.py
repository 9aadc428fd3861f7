"""The constants of `clip_powered`: what each does, and which paper or measurement set it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipPoweredSettings:
    """Constants of `clip_powered`.

    "Published" is Yang et al., arXiv 2410.11215. "Settings", "Adapters" and "Suspicious labels" are sections of
    docs/clip-powered.md. The optimiser of ``optimizer="sgd"`` is the authors' and stands in :mod:`.objective`.
    In brackets: what half and double the value change, in points of accuracy (docs/sensitivity.md); the last three move
    the AUC of suspicion by less than 0.05 points.

    Attributes:
        contrast: weight of the margin to the best other class beside the cosine with the own (Settings; published 0)
            [half +0.2 ± 0.1, double -0.2 ± 0.2]
        diversity_weight: weight of diversity against agreement (published) [half 0.0 ± 0.1, double +0.1 ± 0.1]
        diversity_cap: share of the images up to whose diversity it counts (Settings; published 1) [half 0.0 ± 0.2,
            double +0.1 ± 0.1]
        clip: share of the images on either side that scaling treats as outliers (Settings; published 0) [half 0, double
            0]
        neighbor_share: diversity is measured on this share of a class (published: 50 of 500 images, CIFAR-100) [half
            +0.1 ± 0.1, double 0.0 ± 0.1]
        min_neighbors: and on no fewer images (least sample)
        max_neighbors: and on no more (published: 100 of 5,000 images, CIFAR-10)
        min_images: fewer images are not adapted to (least sample)
        held_out: share of the images that training is watched on (convention) [half -0.1 ± 0.1, double +0.1 ± 0.1]
        patience: training stops once the held-out loss has not fallen for so many epochs (convention) [half 0, double
            0]
        max_epochs: training stops then in any case (cap) [half +0.1 ± 0.1, double 0.0 ± 0.1]
        batch_size: images a step (cap on memory) [half +0.1 ± 0.1, double +0.1 ± 0.1]
        learning_rate: of Adam (Adapters) [half 0.0 ± 0.1, double 0.0 ± 0.1]
        max_scale: largest factor on cosines; CLIP's own is 100 (cap) [half 0, double +0.1 ± 0.0]
        fitted_images: images that scales and the noise model are fitted to (cap)
        least_rate: wrong labels are not expected to be rarer, so that on clean labels, which the AUC says nothing of,
            flat contradictions still show (Suspicious labels) [half 0, double 0]
        prior_images: images of a class that the confusion table is given in advance, all classes being confused alike
            (Suspicious labels) [half 0, double 0]
        offset_spread: standard deviation of the offsets of the classes before any label is seen (Suspicious labels)
            [half 0, double 0]
    """

    contrast: float = 1.0
    diversity_weight: float = 0.1
    diversity_cap: float = 0.5
    clip: float = 0.01
    neighbor_share: float = 0.1
    min_neighbors: int = 10
    max_neighbors: int = 100
    min_images: int = 40
    held_out: float = 0.1
    patience: int = 3
    max_epochs: int = 20
    batch_size: int = 512
    learning_rate: float = 3e-4
    max_scale: float = 200
    fitted_images: int = 10_000
    least_rate: float = 0.01
    prior_images: float = 30
    offset_spread: float = 3.0


#: What the method uses.
DEFAULTS = ClipPoweredSettings()
