"""
Inference: who is satisfied with their housing?
===============================================

A multinomial logit with its standard errors. 1681 tenants in Copenhagen said how satisfied they
were with their housing (Madsen 1976; Cox & Snell, Applied Statistics, 1984), by their influence on
the management, the type of the building and their contact with neighbours: a table of 72 rows with
frequencies. ``FASTSOFTMAX_DATA`` names the folder that holds it in ``stat-reference``: ``housing``
of R's package MASS as CSV.
"""

import csv
import os
import sys
from pathlib import Path

import numpy as np
from matplotlib import pyplot

from fastsoftmax import SoftmaxRegression

path = Path(os.environ.get("FASTSOFTMAX_DATA", ""), "stat-reference", "MASS_housing.csv")
if not path.is_file():
    print(f"no table {path}: set FASTSOFTMAX_DATA")
    sys.exit(0)
with open(path, newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))

# %%
# An indicator for each level but the first, which the others are compared with.

levels = {
    "Infl": ("Low", "Medium", "High"),
    "Type": ("Tower", "Apartment", "Atrium", "Terrace"),
    "Cont": ("Low", "High"),
}
indicators = [(what, level) for what, some in levels.items() for level in some[1:]]
names = [what + level for what, level in indicators]
X = np.array([[row[what] == level for what, level in indicators] for row in rows])
satisfaction = np.array([row["Sat"] for row in rows])
frequencies = np.array([float(row["Freq"]) for row in rows])

# %%
# No penalty and a class to compare with: that fit is the maximum of the likelihood and keeps what
# inference needs. Weights count as frequencies. These are the coefficients of R's
# ``multinom(Sat ~ Infl + Type + Cont, weights = Freq)``.

model = SoftmaxRegression(C=np.inf, reference_class="Low")
model.fit(X, satisfaction, sample_weight=frequencies)
print(model.summary(names))

# %%
# Exponentials of coefficients are factors of the odds of a class against the reference: here of
# high instead of low satisfaction, with their 95 % intervals.

high = model.classes_.tolist().index("High")
factors, ends = np.exp(model.coef_[high]), np.exp(model.conf_int().coef[high])
for name, factor, (least, most) in zip(names, factors, ends, strict=True):
    print(f"{name:14} {factor:5.2f}  ({least:.2f} to {most:.2f})")

figure, axes = pyplot.subplots(figsize=(5.5, 3), layout="constrained")
axes.errorbar(factors, names, xerr=np.abs(ends.T - factors), fmt="o", capsize=3)
axes.axvline(1, color="k", linestyle=":")
axes.set(xscale="log", xlabel="odds of high instead of low satisfaction, times")
axes.set_xticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
axes.minorticks_off()
axes.invert_yaxis()
