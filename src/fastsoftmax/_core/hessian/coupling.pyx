"""Pairs of classes sampled by importance, and the Hessian that their Gram matrices add up to."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles, ints, intps
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.hessian.coupling_kernels cimport Draws, Table, pair_number
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "coupling")

    def pair_number(self, Py_ssize_t larger, Py_ssize_t smaller):
        """Where `sample_pairs` counts a pair of classes."""
        return pair_number(larger, smaller)

    def sample_pairs(
        self, logits, cnp.ndarray probabilities not None, cnp.ndarray emphasis not None,
        cnp.ndarray squares not None, cnp.ndarray resistances not None, Py_ssize_t n,
        unsigned long long seed, cnp.ndarray rows not None, cnp.ndarray factors not None,
        cnp.ndarray counts not None, cnp.ndarray totals not None, workspace, int n_threads,
    ):
        """As many rows and pairs of classes as `rows` (m,), int32, m even, has room for, by importance.

        The pair of classes k > l, number k(k - 1)/2 + l, of row i is drawn by e_i p_ik p_il (r_k +
        r_l), e being the emphasis (n,), float64, probabilities p in tiles, which come from logits if
        there are any, r the resistances (K,), `real`. Rows are written pair after pair, in their order;
        counts (K(K - 1)/2,), int64, says how many of each, all 0 where there is nothing to draw by.
        Factors (m,), `real`, are the roots of weights, total of what is drawn by / (m squares_i (r_k +
        r_l)), and totals (K(K - 1)/2,), float64, their sums.
        """
        cdef Draws s
        s.probabilities = self.reals(probabilities, "probabilities")
        s.logits = self.reals(logits, "logits")
        s.emphasis = doubles(emphasis, "emphasis")
        s.squares = doubles(squares, "squares")
        s.resistances = self.reals(resistances, "resistances")
        s.rows = ints(rows, "rows")
        s.factors = self.reals(factors, "factors")
        s.counts = intps(counts, "counts")
        s.totals = doubles(totals, "totals")
        s.n, s.k = n, probabilities.shape[1]
        s.m, s.pairs = rows.shape[0], counts.shape[0]
        cdef cnp.ndarray memory = workspace(self.kernels.sample_bytes(&s, n_threads))
        with nogil:
            self.kernels.sample_pairs(&s, seed, bytes_of(memory), n_threads)

    def assemble(
        self, cnp.ndarray grams not None, cnp.ndarray shared not None, cnp.ndarray shares not None,
        cnp.ndarray common not None, cnp.ndarray ridge not None, cnp.ndarray out not None,
        int n_threads,
    ):
        """The lower triangle of the Hessian of K classes, out (K size, K size), from Grams of pairs.

        These are (K(K - 1)/2, size, size); to the block of class k shares[k] times `shared`, (size,
        size), and diag(ridge) are added, and to that of classes k and l common[k] common[l] times
        `shared`. Grams, shared and out `real`, shares and common (K,) and ridge (size,) float64.
        """
        cdef const real *g = self.reals(grams, "grams")
        cdef const real *s = self.reals(shared, "shared")
        cdef const double *share = doubles(shares, "shares")
        cdef const double *z = doubles(common, "common")
        cdef const double *r = doubles(ridge, "ridge")
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t size = grams.shape[1], k = shares.shape[0]
        with nogil:
            self.kernels.assemble(g, s, share, z, r, to, k, size, n_threads)
