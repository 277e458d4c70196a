"""
Inference: who is satisfied with their housing?
===============================================

A multinomial logit with its standard errors. 1681 tenants in Copenhagen said how satisfied they
were with their housing (Madsen 1976; Cox & Snell, Applied Statistics, 1984), by their influence on
the management, the type of the building and their contact with neighbours: a table of 72
frequencies, ``housing`` of R's package MASS.
"""

from itertools import product

import numpy as np
from matplotlib import pyplot

from fastsoftmax import SoftmaxRegression

contacts, types = ("Low", "High"), ("Tower", "Apartment", "Atrium", "Terrace")
influences = levels = ("Low", "Medium", "High")
frequencies = np.array([
    # low, medium, high satisfaction, for low, medium and high influence
    21, 21, 28,  34, 22, 36,  10, 11, 36,  # low contact: tower
    61, 23, 17,  43, 35, 40,  26, 18, 54,  # apartment
    13,  9, 10,   8,  8, 12,   6,  7,  9,  # atrium
    18,  6,  7,  15, 13, 13,   7,  5, 11,  # terrace
    14, 19, 37,  17, 23, 40,   3,  5, 23,  # high contact: tower
    78, 46, 43,  48, 45, 86,  15, 25, 62,
    20, 23, 20,  10, 22, 24,   7, 10, 21,
    57, 23, 13,  31, 21, 13,   5,  6, 13,
])  # fmt: skip

# %%
# A row for each combination, and an indicator for each level but the first, which the others are
# compared with. The counts of a row are its ``y``: a column for each level of satisfaction.

rows = list(product(contacts, types, influences))
indicators = {
    **{f"Influence {level}": [row[2] == level for row in rows] for level in influences[1:]},
    **{f"Type {kind}": [row[1] == kind for row in rows] for kind in types[1:]},
    "Contact High": [row[0] == "High" for row in rows],
}
names = list(indicators)
X = np.column_stack(list(indicators.values()))
counts = frequencies.reshape(len(rows), 3)

# %%
# No penalty and a class to compare with: that fit is the maximum of the likelihood and keeps what
# inference needs. These are the coefficients of R's
# ``multinom(Sat ~ Infl + Type + Cont, weights = Freq)``.

model = SoftmaxRegression(C=np.inf, reference_class="Low")
model.fit(X, counts, classes=levels)
print(model.summary(names))

# %%
# Exponentials of coefficients are factors of the odds of a class against the reference: here of
# high instead of low satisfaction, with their 95 % intervals.

high = model.classes_.tolist().index("High")
factors, ends = np.exp(model.coef_[high]), np.exp(model.conf_int().coef[high])
for name, factor, (least, most) in zip(names, factors, ends, strict=True):
    print(f"{name:17} {factor:5.2f}  ({least:.2f} to {most:.2f})")

figure, axes = pyplot.subplots(figsize=(5.5, 3), layout="constrained")
axes.errorbar(factors, names, xerr=np.abs(ends.T - factors), fmt="o", capsize=3)
axes.axvline(1, color="k", linestyle=":")
axes.set(xscale="log", xlabel="odds of high instead of low satisfaction, times")
axes.set_xticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
axes.minorticks_off()
axes.invert_yaxis()
