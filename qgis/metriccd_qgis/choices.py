"""What there is to choose from, as the command has it; its tests hold both together."""

from __future__ import annotations

PRESETS = ("default", "fast", "paper", "released", "imagenet")
METHODS = (
    "fusion",
    "metric",
    "closed_form",
    "deep_cva",
    "deep_cva_all",
    "image_diff",
    "image_ratio",
    "image_regr",
    "cva",
    "mahalanobis",
    "dpca",
    "pcda",
    "pca_kmeans",
    "mad",
    "irmad",
    "irmad_toolbox",
    "sfa",
    "isfa",
    "siroc",
    "object_cva",
    "kpca_mnet",
    "dsfa",
    "difference_subspace",
    "feature_cosine",
)
KINDS = (
    "vegetation-lost",
    "vegetation-gained",
    "seasonal",
    "water-gained",
    "water-lost",
    "built",
    "darkened",
    "cloud",
    "other",
)
DIRECTIONS = ("both", "appeared", "disappeared")
# How the second image is moved onto the first → the option that says so.
MOVES = {"no": None, "shift": "coregister", "local": "coregister_local"}
