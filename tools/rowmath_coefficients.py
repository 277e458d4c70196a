"""The polynomials of src/fastsoftmax/_core/rowmath.pxd: `python tools/rowmath_coefficients.py`.

Each is the Chebyshev fit (mpmath) of the factor that remains once the leading terms, which are
exact, are taken out. Printed with the largest relative error of the function it serves, before
rounding: it has to stay well under half an ulp (f32: 6e-8, f64: 1.1e-16).
"""

import mpmath as mp

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
            coefficients, worst = fit(function, interval, degree, rebuilt, exact)
            print(f"{name} {precision}: relative error {mp.nstr(worst, 3)}")
            for k, c in enumerate(coefficients):
                print(f"    c{k} = {mp.nstr(c, 18)}")


if __name__ == "__main__":
    main()
