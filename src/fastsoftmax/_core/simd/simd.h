/* Vectors of one precision and one processor level.
 *
 * The only C of the project, with the other headers here: what Cython cannot say. The build compiles every kernel
 * once for each pair of precision (FS_DOUBLE) and processor level (-march); this header turns the pair into
 *
 *     real    float or double               vreal   VL of them in one register
 *     lane    int32_t or int64_t            vlane   VL of those, one beside each real
 *
 * Arithmetic is GCC's vector extension (+ - * on vreal), the same source on every machine; only what
 * the extension has no word for (max, select, masked load, scaling by 2^n) names an instruction.
 *
 * Modules that face Python are compiled once, without a precision: a `real` is incomplete there, so that
 * they can pass pointers to numbers, but a read or a sizeof is an error of the compiler.
 */
#ifndef FASTSOFTMAX_SIMD_H
#define FASTSOFTMAX_SIMD_H

#ifndef FS_DOUBLE
typedef struct fs_unknown_precision real;
#else

#include <stdint.h>
#include <string.h>

#if !defined(__GNUC__)
#error "fastsoftmax needs the vector extensions of GCC or clang (on Windows: clang-cl)"
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define FS_VECTOR_BYTES 64
#define FS_PREFIX _mm512_
#elif defined(__AVX2__) && defined(__FMA__)
#define FS_VECTOR_BYTES 32
#define FS_PREFIX _mm256_
#elif defined(__SSE4_1__)
#define FS_VECTOR_BYTES 16
#define FS_PREFIX _mm_
#else
#define FS_VECTOR_BYTES 16 /* NEON, or whatever the compiler makes of it */
#endif

#if FS_DOUBLE
typedef double real;
typedef int64_t lane;
#define FS_SUFFIX _pd
#else
typedef float real;
typedef int32_t lane;
#define FS_SUFFIX _ps
#endif

#define LARGEST (FS_DOUBLE ? __DBL_MAX__ : __FLT_MAX__)
#define SMALLEST (FS_DOUBLE ? __DBL_MIN__ : __FLT_MIN__)
#define VL_MOST 16
#define VL ((int)(FS_VECTOR_BYTES / sizeof(real)))

typedef real vreal __attribute__((vector_size(FS_VECTOR_BYTES)));
typedef lane vlane __attribute__((vector_size(FS_VECTOR_BYTES)));
/* The same where memory promises the alignment of one element only, as NumPy's does. */
typedef real vreal_memory __attribute__((vector_size(FS_VECTOR_BYTES), aligned(sizeof(real)), may_alias));

#define FS_PASTE_(a, b, c) a##b##c
#define FS_PASTE(a, b, c) FS_PASTE_(a, b, c)
#define FS_OP(name) FS_PASTE(FS_PREFIX, name, FS_SUFFIX)

/* EACH(f, h) lists f(0, h), ..., f(VL - 1, h): initialisers and shuffles for any vector length. */
#define FS_EACH2(f, h) f(0, h), f(1, h)
#define FS_EACH4(f, h) FS_EACH2(f, h), f(2, h), f(3, h)
#define FS_EACH8(f, h) FS_EACH4(f, h), f(4, h), f(5, h), f(6, h), f(7, h)
#define FS_EACH16(f, h) \
    FS_EACH8(f, h), f(8, h), f(9, h), f(10, h), f(11, h), f(12, h), f(13, h), f(14, h), f(15, h)
#define FS_LANES (FS_VECTOR_BYTES / (FS_DOUBLE ? 8 : 4))
#if FS_VECTOR_BYTES == 64 && !FS_DOUBLE
#define FS_EACH FS_EACH16
#elif FS_VECTOR_BYTES == 64 || (FS_VECTOR_BYTES == 32 && !FS_DOUBLE)
#define FS_EACH FS_EACH8
#elif FS_VECTOR_BYTES == 32 || !FS_DOUBLE
#define FS_EACH FS_EACH4
#else
#define FS_EACH FS_EACH2
#endif
#define FS_SAME(l, x) x
#define FS_INDEX(l, x) l

/* A register tile of 2 x CLASS_BLOCK accumulators, or of ROW_BLOCK x 4, leaves room for its operands. */
#if FS_VECTOR_BYTES == 64 || defined(__aarch64__)
#define CLASS_BLOCK 12 /* of 32 registers */
#define ROW_BLOCK 4
#else
#define CLASS_BLOCK 6 /* of 16 */
#define ROW_BLOCK 2
#endif

#define fs_inline static inline __attribute__((always_inline))

/* Where the sums of a register tile begin that are not carried on: read, since sums cleared by a branch
 * would live in memory. */
static const vreal no_sums[24] __attribute__((unused));

/* Return types that say where a function's code goes (Cython has no attributes of functions). A
 * register tile has to be inlined where its size is a constant, else its sums live in memory; but what
 * chooses among the sizes must not be: within a larger function GCC keeps that one's values in
 * registers and spills an operand of the tile instead. */
#define inlined __attribute__((always_inline)) int
#define vreal_inlined __attribute__((always_inline)) vreal
#define outlined __attribute__((noinline)) int

fs_inline vreal set1(real x) { return (vreal){FS_EACH(FS_SAME, x)}; }
fs_inline vlane set1_lane(lane x) { return (vlane){FS_EACH(FS_SAME, x)}; }
fs_inline vlane lane_index(void) { return (vlane){FS_EACH(FS_INDEX, 0)}; }
fs_inline vreal load(const real *p) { return *(const vreal_memory *)p; }
fs_inline void store(real *p, vreal x) { *(vreal_memory *)p = x; }
/* Rows of 2, 4 and 8 numbers, or vectors where those hold fewer: tables of few columns, read without masks. */
#define FS_FEW(element, n)                                                                         \
    typedef element element##n __attribute__((                                                     \
        vector_size(n * sizeof(element) < FS_VECTOR_BYTES ? n * sizeof(element) : FS_VECTOR_BYTES), \
        aligned(sizeof(element)), may_alias));
typedef real real1;
typedef double double1;
FS_FEW(real, 2)
FS_FEW(real, 4)
FS_FEW(real, 8)
FS_FEW(double, 2)
FS_FEW(double, 4)
FS_FEW(double, 8)
/* A number times such a row, or times a number, added to what `sum` points to. */
#define add_times(sum, x, row) (*(sum) += (x) * *(row))
/* The same of PICKED numbers at once and as many of a table, filled in one by one: faster on Zen 5 than the
 * instruction that gathers, and Intel's is slow where microcode guards it. */
#define PICKED (FS_VECTOR_BYTES < 4 * (int)sizeof(real) ? 2 : 4)
#if FS_DOUBLE && FS_VECTOR_BYTES == 16
#define FS_PICK(table, at) {(table)[(at)[0]], (table)[(at)[1]]}
#else
#define FS_PICK(table, at) {(table)[(at)[0]], (table)[(at)[1]], (table)[(at)[2]], (table)[(at)[3]]}
#endif
#define add_picked(sum, x, table, at) (*(sum) += *(const real4 *)(x) * (real4)FS_PICK(table, at))
/* x, but loaded once: GCC would rather repeat a load inside each multiply-add that uses it. */
fs_inline vreal in_register(vreal x) {
#if defined(__x86_64__)
    __asm__("" : "+v"(x));
#endif
    return x;
}
/* Class labels of VL rows, widened to lanes. */
fs_inline vlane load_labels(const int32_t *p) {
    typedef int32_t vlabel __attribute__((vector_size(FS_LANES * 4), aligned(4), may_alias));
    return __builtin_convertvector(*(const vlabel *)p, vlane);
}
/* Of the 2 VL numbers in two vectors those whose places the lanes name, modulo 2 VL. */
fs_inline vreal pick(vreal a, vreal b, vlane places) {
#if defined(__clang__)
    vreal x;
    for (int i = 0; i < FS_LANES; i++) {
        int at = (int)places[i] % (2 * FS_LANES);
        x[i] = at < FS_LANES ? a[at] : b[at - FS_LANES];
    }
    return x;
#else
    return __builtin_shuffle(a, b, places);
#endif
}
fs_inline void prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }
/* into L2: fetched for a later phase, not for the loop at hand */
fs_inline void prefetch_l2(const void *p) { __builtin_prefetch(p, 0, 2); }

#include "stored_numbers.h"

/* The bits of x as integers, and back. */
fs_inline vlane bits(vreal x) { return (vlane)x; }
fs_inline vreal from_bits(vlane x) { return (vreal)x; }
fs_inline vlane shift_left(vlane x, int n) { return x << n; }
fs_inline vlane shift_right(vlane x, int n) { return x >> n; }
fs_inline vreal to_real(vlane x) { return __builtin_convertvector(x, vreal); }
fs_inline vreal divide(vreal x, vreal y) { return x / y; }
/* x * y + sum, rounded once where the processor can: whether a compiler contracts x * y + sum depends on
 * the code around it. */
fs_inline vreal multiply_add(vreal x, vreal y, vreal sum) {
#if defined(__FMA__)
    return FS_OP(fmadd)(x, y, sum);
#else
    return x * y + sum;
#endif
}
fs_inline vreal square_root(vreal x) {
#if defined(FS_PREFIX)
    return FS_OP(sqrt)(x);
#else
    for (int l = 0; l < VL; l++) x[l] = FS_DOUBLE ? __builtin_sqrt(x[l]) : __builtin_sqrtf((float)x[l]);
    return x;
#endif
}
fs_inline vreal absolute(vreal x) {
    return (vreal)((vlane)x & set1_lane((lane)(~(uint64_t)0 >> (65 - 8 * sizeof(real)))));
}

/* maximum(x, y) is y where either is NaN: put the value whose NaN matters second.
 * select_*(a, b, x, y) is x in the lanes where the comparison of a with b holds, else y. */
#if FS_VECTOR_BYTES == 64
fs_inline vreal maximum(vreal x, vreal y) { return FS_OP(max)(x, y); }
fs_inline vreal minimum(vreal x, vreal y) { return FS_OP(min)(x, y); }
#define FS_SELECT(comparison, a, b, x, y) \
    FS_OP(mask_blend)(FS_PASTE(_mm512_cmp, FS_SUFFIX, _mask)(a, b, comparison), y, x)
fs_inline vreal select_gt(vreal a, vreal b, vreal x, vreal y) { return FS_SELECT(_CMP_GT_OQ, a, b, x, y); }
#if FS_DOUBLE
fs_inline vreal select_eq(vlane a, vlane b, vreal x, vreal y) {
    return _mm512_mask_blend_pd(_mm512_cmpeq_epi64_mask((__m512i)a, (__m512i)b), y, x);
}
#else
fs_inline vreal select_eq(vlane a, vlane b, vreal x, vreal y) {
    return _mm512_mask_blend_ps(_mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b), y, x);
}
#endif
#elif defined(FS_PREFIX)
fs_inline vreal maximum(vreal x, vreal y) { return FS_OP(max)(x, y); }
fs_inline vreal minimum(vreal x, vreal y) { return FS_OP(min)(x, y); }
fs_inline vreal select_gt(vreal a, vreal b, vreal x, vreal y) { return FS_OP(blendv)(y, x, (vreal)(a > b)); }
fs_inline vreal select_eq(vlane a, vlane b, vreal x, vreal y) { return FS_OP(blendv)(y, x, (vreal)(a == b)); }
#else
fs_inline vlane fs_pick(vlane mask, vlane x, vlane y) { return (mask & x) | (~mask & y); }
fs_inline vreal maximum(vreal x, vreal y) { return (vreal)fs_pick(x > y, (vlane)x, (vlane)y); }
fs_inline vreal minimum(vreal x, vreal y) { return (vreal)fs_pick(x < y, (vlane)x, (vlane)y); }
fs_inline vreal select_gt(vreal a, vreal b, vreal x, vreal y) {
    return (vreal)fs_pick(a > b, (vlane)x, (vlane)y);
}
fs_inline vreal select_eq(vlane a, vlane b, vreal x, vreal y) {
    return (vreal)fs_pick(a == b, (vlane)x, (vlane)y);
}
#endif

/* sum + x in the lanes where a and b differ or are no numbers, else sum; and where they are equal. */
#if FS_VECTOR_BYTES == 64
#define FS_PLUS(comparison) \
    FS_OP(mask_add)(sum, FS_PASTE(_mm512_cmp, FS_SUFFIX, _mask)(a, b, comparison), sum, x)
fs_inline vreal plus_where_unequal(vreal sum, vreal a, vreal b, vreal x) { return FS_PLUS(_CMP_NEQ_UQ); }
fs_inline vreal plus_where_equal(vreal sum, vreal a, vreal b, vreal x) { return FS_PLUS(_CMP_EQ_OQ); }
#else
fs_inline vreal plus_where_unequal(vreal sum, vreal a, vreal b, vreal x) {
    return sum + (vreal)((vlane)x & (a != b));
}
fs_inline vreal plus_where_equal(vreal sum, vreal a, vreal b, vreal x) {
    return sum + (vreal)((vlane)x & (a == b));
}
#endif

/* The first n < VL elements from p, zeros behind them; and the way back. Nothing else is touched. */
fs_inline vreal load_first(const real *p, int n) {
#if FS_VECTOR_BYTES == 64
    return FS_OP(maskz_loadu)((1u << n) - 1u, p);
#elif FS_VECTOR_BYTES == 32
    return FS_OP(maskload)(p, (__m256i)(lane_index() < set1_lane(n)));
#else
    vreal x = {0};
    memcpy(&x, p, (size_t)n * sizeof(real));
    return x;
#endif
}
fs_inline void store_first(real *p, vreal x, int n) {
#if FS_VECTOR_BYTES == 64
    FS_OP(mask_storeu)(p, (1u << n) - 1u, x);
#elif FS_VECTOR_BYTES == 32
    FS_OP(maskstore)(p, (__m256i)(lane_index() < set1_lane(n)), x);
#else
    memcpy(p, &x, (size_t)n * sizeof(real));
#endif
}

/* x * 2^n for whole n, rounded once, subnormal results included. Two factors, since 2^n alone may
 * lie outside the range where the product lies inside. */
fs_inline vreal scale_by_power_of_two(vreal x, vreal n) {
#if FS_VECTOR_BYTES == 64
    return FS_OP(scalef)(x, n);
#else
    const int mantissa = FS_DOUBLE ? 52 : 23;
    const vlane bias = set1_lane(FS_DOUBLE ? 1023 : 127);
    vlane k = __builtin_convertvector(n, vlane), half = k >> 1;
    return x * (vreal)((half + bias) << mantissa) * (vreal)((k - half + bias) << mantissa);
#endif
}

#ifdef __clang__
#define FS_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FS_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vlane){__VA_ARGS__})
#endif
/* Lanes are paired at distance h: stay holds each pair's own lane, of a where bit h of the lane's
 * number is clear and of b where it is set; cross holds the partner's. Their sum joins two vectors
 * into one, and log2(VL) rounds of it turn VL vectors into the vector of their sums. */
#define FS_STAY(l, h) ((l) & (h) ? (l) + FS_LANES : (l))
#define FS_CROSS(l, h) ((l) & (h) ? ((l) ^ (h)) + FS_LANES : ((l) ^ (h)))
#define FS_ADD_HALVES(a, b, h) \
    (FS_SHUFFLE(a, b, FS_EACH(FS_STAY, h)) + FS_SHUFFLE(a, b, FS_EACH(FS_CROSS, h)))

/* Lane l of the result is the sum of the lanes of v[l]. */
fs_inline vreal sum_each(const vreal v[]) {
    vreal t[VL];
#define FS_ROUND(h, from)              \
    for (int i = 0; i < (h); i++) {    \
        t[i] = FS_ADD_HALVES(from[i], from[i + (h)], h); \
    }
#if FS_VECTOR_BYTES == 64 && !FS_DOUBLE
    FS_ROUND(8, v) FS_ROUND(4, t)
#elif FS_VECTOR_BYTES == 64 || (FS_VECTOR_BYTES == 32 && !FS_DOUBLE)
    FS_ROUND(4, v)
#endif
#if FS_VECTOR_BYTES == 64 || (FS_VECTOR_BYTES == 32 && !FS_DOUBLE)
    FS_ROUND(2, t)
#elif FS_VECTOR_BYTES == 32 || !FS_DOUBLE
    FS_ROUND(2, v)
#endif
#if FS_VECTOR_BYTES == 16 && FS_DOUBLE
    FS_ROUND(1, v)
#else
    FS_ROUND(1, t)
#endif
#undef FS_ROUND
    return t[0];
}

/* v[i] lane l becomes v[l] lane i: the same rounds, keeping both halves of each pair. */
#define FS_UPPER(l, h) ((l) & (h) ? ((l) ^ (h)) + FS_LANES : (l))
#define FS_LOWER(l, h) ((l) & (h) ? (l) + FS_LANES : ((l) ^ (h)))
#define FS_SWAP(v, h)                                                    \
    for (int i = 0; i < FS_LANES; i++) {                                 \
        if (i & (h)) continue;                                           \
        vreal a = v[i], b = v[i + (h)];                                  \
        v[i] = FS_SHUFFLE(a, b, FS_EACH(FS_UPPER, h));                   \
        v[i + (h)] = FS_SHUFFLE(a, b, FS_EACH(FS_LOWER, h));             \
    }
fs_inline void transpose(vreal v[]) {
#if FS_VECTOR_BYTES == 64 && !FS_DOUBLE
    FS_SWAP(v, 8)
#endif
#if FS_VECTOR_BYTES == 64 || (FS_VECTOR_BYTES == 32 && !FS_DOUBLE)
    FS_SWAP(v, 4)
#endif
#if FS_VECTOR_BYTES != 16 || !FS_DOUBLE
    FS_SWAP(v, 2)
#endif
    FS_SWAP(v, 1)
}

/* Every lane of the result is the maximum, or the sum, of all lanes: lanes meet at distance h. */
#define FS_MEET(l, h) ((l) ^ (h))
#define FS_AT(h, meet)                                   \
    {                                                    \
        vreal y = FS_SHUFFLE(x, x, FS_EACH(FS_MEET, h)); \
        x = meet;                                        \
    }
#if FS_VECTOR_BYTES == 64 && !FS_DOUBLE
#define FS_AT_EACH(meet) FS_AT(8, meet) FS_AT(4, meet) FS_AT(2, meet) FS_AT(1, meet)
#elif FS_VECTOR_BYTES == 64 || (FS_VECTOR_BYTES == 32 && !FS_DOUBLE)
#define FS_AT_EACH(meet) FS_AT(4, meet) FS_AT(2, meet) FS_AT(1, meet)
#elif FS_VECTOR_BYTES == 32 || !FS_DOUBLE
#define FS_AT_EACH(meet) FS_AT(2, meet) FS_AT(1, meet)
#else
#define FS_AT_EACH(meet) FS_AT(1, meet)
#endif
fs_inline vreal max_all(vreal x) { FS_AT_EACH(maximum(x, y)) return x; }
fs_inline vreal sum_all(vreal x) { FS_AT_EACH(x + y) return x; }

/* Whether a > b in any lane. */
fs_inline int any_gt(vreal a, vreal b) {
#if FS_VECTOR_BYTES == 64
    return FS_PASTE(_mm512_cmp, FS_SUFFIX, _mask)(a, b, _CMP_GT_OQ) != 0;
#else
    vlane greater = a > b;
    lane any = 0;
    for (int l = 0; l < VL; l++) any |= greater[l];
    return any != 0;
#endif
}

/* Sum of all lanes, in double and in a fixed order. */
fs_inline double sum_lanes(vreal x) {
    double s = 0;
    for (int l = 0; l < VL; l++) s += x[l];
    return s;
}

/* To memory past the caches, p aligned to a vector: for results that exceed them, whose lines would
 * otherwise be read before they are written. fence() before another thread may look. */
fs_inline void stream(real *p, vreal x) {
#if defined(FS_PREFIX)
    FS_OP(stream)(p, x);
#else
    *(vreal *)p = x;
#endif
}
fs_inline void fence(void) {
#if defined(FS_PREFIX)
    _mm_sfence();
#endif
}

/* sums[0 .. VL) += x, widened to double: where float32 products become float64 sums. */
fs_inline void add_to_doubles(double *sums, vreal x) {
    typedef double vwide __attribute__((vector_size(FS_LANES * 8), aligned(8), may_alias));
    *(vwide *)sums += __builtin_convertvector(x, vwide);
}

#endif
#endif
