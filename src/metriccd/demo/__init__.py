"""The demo: a synthetic pair with known changes through the whole pipeline.

In: a size and a seed.
Out: a folder with both dates, the reference and what was detected.
"""

from metriccd.demo.demo import make_demo, make_pair

__all__ = ["make_demo", "make_pair"]
