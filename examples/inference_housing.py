"""Who is satisfied with their housing? A multinomial logit with its standard errors.

    python examples/inference_housing.py [FILE]

1681 tenants in Copenhagen said how satisfied they were with their housing (Madsen 1976; Cox &
Snell, Applied Statistics, 1984), by their influence on the management, the type of the building and
their contact with neighbours: 72 rows with frequencies. FILE is the table, ``housing`` of R's
package MASS as CSV; without it stat-reference/MASS_housing.csv of the folder FASTSOFTMAX_DATA is
taken. The coefficients are those of R's ``multinom(Sat ~ Infl + Type + Cont, weights = Freq)``.
"""

import csv
import os
import sys
from pathlib import Path

import numpy as np

from fastsoftmax import SoftmaxRegression

# The first level of each is the one that others are compared with.
LEVELS = {
    "Infl": ("Low", "Medium", "High"),
    "Type": ("Tower", "Apartment", "Atrium", "Terrace"),
    "Cont": ("Low", "High"),
}


def read(path):
    """Indicators of the levels, their names, and satisfactions and frequencies of the rows."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [(what, level) for what, levels in LEVELS.items() for level in levels[1:]]
    X = np.array([[row[what] == level for what, level in names] for row in rows])
    satisfied = np.array([row["Sat"] for row in rows])
    frequencies = np.array([float(row["Freq"]) for row in rows])
    return X, [what + level for what, level in names], satisfied, frequencies


def main():
    given = sys.argv[1] if len(sys.argv) > 1 else None
    folder = os.environ.get("FASTSOFTMAX_DATA", "")
    path = Path(given or Path(folder, "stat-reference", "MASS_housing.csv"))
    if not path.is_file():
        print(f"no table {path}: give it as argument, or set FASTSOFTMAX_DATA")
        sys.exit(bool(given))
    X, names, satisfied, frequencies = read(path)

    model = SoftmaxRegression(C=np.inf, reference_class="Low")
    model.fit(X, satisfied, sample_weight=frequencies)
    print(model.summary(names))

    print("\nodds of high instead of low satisfaction, times (95 % interval):")
    row = model.classes_.tolist().index("High")
    ends = np.exp(model.conf_int().coef[row])
    for name, factor, (low, high) in zip(names, np.exp(model.coef_[row]), ends, strict=True):
        print(f"  {name:14} {factor:5.2f}  ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
