"""What each method, preset and rule is, in a line."""

from __future__ import annotations

from typing import Any

from metriccd.decision import THRESHOLDS
from metriccd.methods.method import WindowedMethod
from metriccd.methods.methods import METHODS
from metriccd.methods.preset import CHI2_METHODS, PRESETS, choose_preset

WORDS = {
    "fusion": "prediction both ways and a plain difference, combined; the default",
    "metric": "deep metric learning on the pair itself (Bandara & Patel)",
    "closed_form": "color correction and distances of deep features; nothing is fitted",
    "deep_cva": "deep change vector analysis (Saha et al. 2019)",
    "deep_cva_all": "the same on all channels, as suits our extractor",
    "image_diff": "absolute difference of the bands",
    "image_ratio": "absolute logarithm of the ratio of the bands",
    "image_regr": "residuals of a regression of one date on the other",
    "cva": "change vector analysis: length of the difference of the bands",
    "mahalanobis": "Mahalanobis distance of the difference of the bands",
    "dpca": "principal components of the absolute difference",
    "pcda": "principal components of each date, subtracted",
    "pca_kmeans": "principal components of blocks, k-means (Celik 2009)",
    "mad": "multivariate alteration detection (Nielsen et al. 1998)",
    "irmad": "iteratively reweighted MAD (Nielsen 2007)",
    "irmad_toolbox": "the same, in the variant of the MATLAB Change Detection Toolbox",
    "sfa": "slow feature analysis (Wu, Du & Zhang 2014)",
    "isfa": "iterative slow feature analysis",
    "siroc": "sibling regression: a pixel from its neighborhood (Kondmann et al. 2021)",
    "unet": "supervised: an early-fusion U-Net (Daudt et al. 2018)",
    "seco_rand": "supervised: a decoder of random features (SeCo, Mañas et al. 2021)",
    "seco_pre": "supervised: a decoder of SeCo's features (Mañas et al. 2021)",
    "object_cva": "change vector analysis of superpixels (SLIC; Achanta et al. 2012)",
    "kpca_mnet": "deep kernel PCA of patches, KPCA-MNet (Wu et al. 2022)",
    "dsfa": "deep slow feature analysis, two networks fitted to the pair (Du et al. 2019)",
    "difference_subspace": "difference subspace of successive Saab maps (Fukui & Maki 2015)",
    "feature_cosine": "cosine distance of a frozen network's features, nothing else",
}
PRESET_WORDS = {
    "default": "fusion, with deep features in the plain difference",
    "fast": "fusion whose plain difference is of colors alone: a little faster",
    "paper": "the paper's method and settings; minutes to hours",
    "released": "the settings of the paper's released code",
    "imagenet": "cosine of EfficientNet-Lite0's features; the extra imagenet",
}
RULE_WORDS = {
    "otsu": "largest variance between two classes",
    "kmeans": "two clusters; of all components where a method has several",
    "kapur": "largest entropy of two classes",
    "rosin": "corner of a histogram with one peak and a tail",
    "triangle": "the same towards the farther end",
    "yen": "largest entropic correlation",
    "gmm": "where the upper of two Gaussians gets the more probable",
    "consensus": "the share of change that four rules agree on; of the default",
    "cautious": "the consensus leaning towards precision",
    "thorough": "the consensus leaning towards recall",
    "chi2": f"p < 0.01 of a χ² statistic; only {', '.join(CHI2_METHODS)}",
    "adaptive": "twice the local mean, cleaned (of deep_cva)",
}


def about_methods() -> list[dict[str, Any]]:
    """A row for each method: its name, its own rule, the sizes it takes, what it is."""
    return [
        {
            "method": name,
            "rule": choose_preset("default", name, "auto").threshold,
            "size": "any" if isinstance(method, WindowedMethod) else "in memory",
            "what it is": WORDS[name],
        }
        for name, method in METHODS.items()
    ]


def about_presets() -> list[dict[str, Any]]:
    """A row for each preset: its name, method, rule and extractor, what it is."""
    return [
        {
            "preset": name,
            "method": preset.method,
            "rule": preset.threshold,
            "extractor": preset.extractor,
            "what it is": PRESET_WORDS[name],
        }
        for name, preset in PRESETS.items()
    ]


def about_rules() -> list[dict[str, Any]]:
    """A row for each threshold rule."""
    return [
        {"rule": name, "what it is": RULE_WORDS[name]} for name in (*THRESHOLDS, "chi2", "adaptive")
    ]
