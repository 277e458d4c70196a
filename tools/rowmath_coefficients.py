"""The polynomials of `_core/simd/rowmath.pxd`: `python tools/rowmath_coefficients.py`.

Each is the fit of the factor that remains once the leading terms, which are exact, are taken out.
Chebyshev's (mpmath) is good enough for all but the float32 exp: there it would leave 1.0e-8, a
sixth of an ulp, where the fit that is minimax for the *relative* error of exp (Lawson's iteration,
each coefficient rounded to float32 before the next is fitted) leaves 3.7e-9. Printed with the
largest relative error of the function it serves, before rounding: it has to stay well under half an
ulp (f32: 6e-8, f64: 1.1e-16).
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 60


def exp_tail(r):
    """(exp(r) - 1 - r) / r², by its series where the closed form cancels."""
    if abs(r) < mp.mpf("1e-8"):
        return mp.mpf(1) / 2 + r / 6 + r * r / 24
    return (mp.exp(r) - 1 - r) / (r * r)


def log_tail(z):
    """(2·atanh(√z) / √z - 2) / z: log(1 + f) = 2s + s·z·tail(z), s = f / (2 + f), z = s²."""
    if z < mp.mpf("1e-12"):
        return mp.mpf(2) / 3 + 2 * z / 5
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) / s - 2) / z


def fit(function, interval, degree, rebuilt, exact):
    """Coefficients in ascending order and the worst relative error of what they rebuild."""
    coefficients = mp.chebyfit(function, interval, degree + 1)[::-1]
    low, high = interval
    worst = mp.mpf(0)
    for i in range(2001):
        x = low + (high - low) * i / 2000
        value = mp.fsum(c * x**k for k, c in enumerate(coefficients))
        truth = exact(x)
        if truth:
            worst = max(worst, abs(rebuilt(x, value) / truth - 1))
    return coefficients, worst


def exp_tail_float32(degree, half_ln2):
    """Coefficients 1..degree of (exp(r) - 1 - r) / r² - 1/2 in float32, weighted by r² / exp(r)."""
    r = half_ln2 * np.cos(np.linspace(0, np.pi, 4001))
    r = r[np.abs(r) > 1e-3]
    weight = r**2 / np.exp(r)
    rest = np.array([float(exp_tail(mp.mpf(t)) - mp.mpf(1) / 2) for t in r])
    fixed = []
    for first in range(1, degree + 1):
        powers = np.stack([r**k for k in range(first, degree + 1)], axis=1)
        lawson, best, chosen = np.ones_like(r), np.inf, None
        for _ in range(3000):
            scale = np.sqrt(lawson) * weight
            fitted = np.linalg.lstsq(powers * scale[:, None], rest * scale, rcond=None)[0]
            error = np.abs((powers @ fitted - rest) * weight)
            if error.max() < best:
                best, chosen = error.max(), fitted
            lawson = lawson * error
            lawson /= lawson.sum()
        fixed.append(float(np.float32(chosen[0])))
        rest = rest - fixed[-1] * r**first
    return fixed, np.abs(rest * weight).max()


def main():
    half_ln2 = mp.log(2) / 2 * mp.mpf("1.0001")
    widest = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.0001")
    cases = [
        ("exp", exp_tail, [-half_ln2, half_ln2], (4, 10), lambda r, q: 1 + r + r * r * q, mp.exp),
        (
            "log",
            log_tail,
            [mp.mpf(0), widest],
            (2, 6),
            lambda z, p: 2 * mp.sqrt(z) + mp.sqrt(z) * z * p,
            lambda z: 2 * mp.atanh(mp.sqrt(z)),
        ),
    ]
    for name, function, interval, degrees, rebuilt, exact in cases:
        for precision, degree in zip(("f32", "f64"), degrees, strict=True):
            if name == "exp" and precision == "f32":
                coefficients, worst = exp_tail_float32(degree, float(mp.log(2) / 2) * 1.0002)
                print(f"exp f32: relative error {worst:.2e}, from c1 on", *coefficients)
                continue
            coefficients, worst = fit(function, interval, degree, rebuilt, exact)
            print(f"{name} {precision}: relative error {mp.nstr(worst, 3)}")
            for k, c in enumerate(coefficients):
                print(f"    c{k} = {mp.nstr(c, 18)}")


if __name__ == "__main__":
    main()
