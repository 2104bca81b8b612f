"""Writes scipy_figures.txt, the figures of SciPy that tests/stats/scipy_test.cpp compares with.

Call: python make_scipy_figures.py > scipy_figures.txt   (with SciPy installed; written with 1.17.1)

The inputs of row i are made from u(j), j = 0, 1, ...: the 53 high bits of splitmix64's output for the counter
64 i + j, as a fraction of 1. The test makes the same ones. Losses are multiples of 2^-20, so that sums are
exact and ties of the sign-flip test are ties. A row holds, blank between: quantile and distribution function
of Student's t; low and high end of the paired t interval, its p, Pearson's correlation; how many of the 2^n
assignments of signs reach the sum seen; low and high end of the interval of a standard deviation; power of
the paired t test.
"""

import math

import numpy as np
from scipy import stats

ROWS, MASK, GRID = 1000, 2**64 - 1, 2.0**20


def uniform(row, j):
    z = ((64 * row + j + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return ((z ^ (z >> 31)) >> 11) * 2.0**-53


def on_grid(value):
    return math.floor(value * GRID) / GRID


def row_of_figures(row):
    def u(j):
        return uniform(row, j)

    degrees = 1 + 200 * u(0) * u(0) * u(0)
    student = stats.t(degrees)
    quantile = student.ppf(0.001 + 0.998 * u(1))
    probability = student.cdf(12 * (u(2) - 0.5))

    n = 2 + math.floor(11 * u(3))
    confidence = 0.5 + 0.499 * u(4)
    shift, spread = 0.05 * (u(5) - 0.5), 0.002 + 0.1 * u(6)
    baseline = np.array([on_grid(3 + 0.05 * u(8 + i)) for i in range(n)])
    treated = np.array([baseline[i] + on_grid(shift + spread * (u(20 + i) - 0.5)) for i in range(n)])
    test = stats.ttest_rel(treated, baseline)
    interval = test.confidence_interval(confidence)
    correlation = stats.pearsonr(treated, baseline).statistic
    flips = stats.permutation_test(
        (treated - baseline,), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    reaching = round(flips.pvalue * 2**n)

    sd, size = 0.001 + u(40), 2 + math.floor(60 * u(41))
    tail = (1 - (0.5 + 0.499 * u(42))) / 2
    squares = stats.chi2(size - 1)
    low, high = (sd * math.sqrt((size - 1) / q) for q in (squares.isf(tail), squares.ppf(tail)))

    pairs, d, alpha = 2 + math.floor(30 * u(43)), 4 * u(44), 0.05 / (1 + math.floor(10 * u(45)))
    critical, shift = stats.t(pairs - 1).isf(alpha / 2), d * math.sqrt(pairs)
    # The lower tail by symmetry: nct.cdf is nan far below the mean.
    power = stats.nct.sf(critical, pairs - 1, shift) + stats.nct.sf(critical, pairs - 1, -shift)

    other = [on_grid(3 + 0.2 * u(47) * (u(50 + i) - 0.5)) for i in range(2 + math.floor(11 * u(46)))]
    welch = stats.ttest_ind(treated, other, equal_var=False)
    apart = welch.confidence_interval(confidence)

    reals = (quantile, probability, interval.low, interval.high, test.pvalue, correlation)
    texts = [f"{value:.12g}" for value in reals] + [str(reaching)]
    more = (low, high, power, apart.low, apart.high, welch.pvalue, welch.df)
    return " ".join(texts + [f"{value:.12g}" for value in more])


for number in range(ROWS):
    print(row_of_figures(number))
