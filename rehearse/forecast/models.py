"""The laws that a figure may obey as tables grow, and how far each is believed of a kind of statement beforehand.

A figure at the share x of the target's rows is L · (f + (1 - f) · g(x) · x^d), where g is the law's shape, 1 at the
largest size that was measured, f the fixed part there, and d a departure from the law that costs, as memory hierarchies
do, some per cent a decade. A constant is f = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONSTANT, LINEAR, SORTED, SQUARE = "constant", "linear", "n log n", "square"

_FIXED = np.concatenate([[0.0], np.geomspace(0.003, 0.9, 18)])
_BENDS = np.linspace(-3.0, 3.0, 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of work: the laws with their weights beforehand, and the standard deviation of the departure d.

    `says` names it in a report.
    """

    name: str
    says: str
    laws: Mapping[str, float] = field(default_factory=dict)
    bend: float = 0.03


METADATA = Kind(name="metadata", says="a change of the catalog alone", laws={CONSTANT: 0.95, LINEAR: 0.05})
REWRITE = Kind(name="rewrite", says="writes the whole table anew", laws={LINEAR: 0.82, SORTED: 0.16, CONSTANT: 0.02})
INDEX = Kind(name="index", says="reads the table and sorts keys", laws={LINEAR: 0.60, SORTED: 0.38, CONSTANT: 0.02})
SCAN = Kind(name="scan", says="reads the table", laws={LINEAR: 0.85, SORTED: 0.13, CONSTANT: 0.02})
ROWS = Kind(
    name="rows", says="writes rows", laws={LINEAR: 0.78, SORTED: 0.17, SQUARE: 0.03, CONSTANT: 0.02}, bend=0.035
)
BATCHES = Kind(name="batches", says="the same statement again and again, more often on more rows", laws=ROWS.laws)
UNKNOWN = Kind(
    name="unknown",
    says="work whose kind is not told by what was seen",
    laws={CONSTANT: 0.35, LINEAR: 0.46, SORTED: 0.17, SQUARE: 0.02},
    bend=0.035,
)
KINDS = {one.name: one for one in (METADATA, REWRITE, INDEX, SCAN, ROWS, BATCHES, UNKNOWN)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Laws:
    """The candidates of a fit, one a row: law, fixed part at the largest size, departure, and log prior weight."""

    law: NDArray[np.str_]
    fixed: Floats
    bend: Floats
    prior: Floats


def candidates(kind: Kind) -> Laws:
    """Return the grid of laws, fixed parts and departures with the weight of each beforehand."""
    law, fixed, bend, prior = [CONSTANT], [1.0], [0.0], [float(np.log(kind.laws[CONSTANT]))]
    share = _beta(_FIXED)
    bends = np.exp(-0.5 * _BENDS**2)
    bends /= bends.sum()
    for name in (one for one in kind.laws if one != CONSTANT):
        grid_fixed, grid_bend = (one.ravel() for one in np.meshgrid(_FIXED, _BENDS * kind.bend, indexing="ij"))
        law += [name] * len(grid_fixed)
        fixed += list(grid_fixed)
        bend += list(grid_bend)
        prior += list(np.log(kind.laws[name] * np.outer(share, bends).ravel()))
    return Laws(law=np.array(law), fixed=np.array(fixed), bend=np.array(bend), prior=np.array(prior))


def _beta(fixed: Floats) -> Floats:
    """Return how likely a fixed part is beforehand: it is mostly small at the largest size."""
    edges = np.concatenate([[0.0], (fixed[1:] + fixed[:-1]) / 2.0, [1.0]])
    middle = np.maximum((edges[1:] + edges[:-1]) / 2.0, 1e-4)
    weight = middle**-0.5 * (1.0 - middle) ** 1.5 * np.diff(edges)
    return np.asarray(weight / weight.sum())


def shape(laws: Laws, x: Floats, largest: float, rows: float) -> Floats:
    """Return the logarithm of each candidate's figure at shares `x`, over that at the largest; (candidates, points).

    `rows` is how many rows there are at share 1: they set the logarithm of n log n.
    """
    x = np.atleast_1d(np.asarray(x, dtype=float))
    relative = x / largest
    logs = np.log(np.maximum(x * rows, 2.0)) / np.log(max(largest * rows, 2.0))
    grown = np.empty((len(laws.law), len(x)))
    for name, values in {
        CONSTANT: np.ones_like(x),
        LINEAR: relative,
        SORTED: relative * logs,
        SQUARE: relative**2,
    }.items():
        grown[laws.law == name] = values
    fixed = laws.fixed[:, None]
    return np.asarray(np.log(fixed + (1.0 - fixed) * grown * relative ** laws.bend[:, None]))
