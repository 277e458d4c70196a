/* Products of tiles of bfloat16: by the matrix units of a core (Intel's AMX) where the compiler is told of
 * them, else emulated. */
#ifndef FASTSOFTMAX_MATRIX_UNITS_H
#define FASTSOFTMAX_MATRIX_UNITS_H

#include <stddef.h>

#include "emulated_units.h"
#include "simd.h"

#if FS_DOUBLE || FS_VECTOR_BYTES != 64
#error "the matrix units belong to float32 on AVX-512"
#endif

#define HALF (UNIT * DEPTH) /* numbers of a tile */
#define SQUARE (2 * HALF)   /* of two tiles: of A one below the other, of B side by side */

/* To a row of A: the upper halves of x, whose lower ones are 0. To a row of B: pairs of them. */
fs_inline void store_halves(bfloat16 *p, vreal x) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32((__m512i)x, 16)));
}
fs_inline void store_pairs(bfloat16 *p, vreal first, vreal second) {
    _mm512_storeu_si512(p, _mm512_or_si512(_mm512_srli_epi32((__m512i)first, 16), (__m512i)second));
}

/* The e of each lane with 2^e <= |x| < 2^(e+1); below all others where x is 0, or not finite: it shall not
 * make finite numbers vanish. */
fs_inline vreal exponents(vreal x) {
    const vreal none = set1(-1000);
    vreal e = _mm512_getexp_ps(x);
    return maximum(select_gt(set1(1000), e, e, none), none);
}

/* Ties to even; what is subnormal may become 0, as which the units take it. */
fs_inline vreal rounded_to_bfloat16(vreal x) {
#if defined(__AVX512BF16__)
    __m512i halves = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x));
    return (vreal)_mm512_slli_epi32(halves, 16);
#else
    vlane odd = (vlane)_mm512_srli_epi32((__m512i)x, 16) & set1_lane(1);
    vreal t = (vreal)(((vlane)x + set1_lane(0x7fff) + odd) & set1_lane(-0x10000));
    return plus_where_unequal(t, x, x, set1(__builtin_nanf("")));
#endif
}

/* Lines of memory that a later product reads, `step` of which come to L2 with each square of this one:
 * tiles come from there six times as fast as from L3. */
typedef struct {
    const char *at;
    ptrdiff_t lines, step;
} Ahead;

fs_inline void fetch(Ahead *ahead) {
    for (ptrdiff_t i = 0; i < ahead->step && ahead->lines > 0; i++, ahead->lines--, ahead->at += 64)
        _mm_prefetch(ahead->at, _MM_HINT_T1);
}

#if defined(__AMX_BF16__)
/* A thread has the units from one to the other: their eight tiles, all of full size. */
static void take_units(void) {
    static const struct {
        uint8_t palette, start, zeros[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } sizes = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&sizes);
}
static void leave_units(void) { _tile_release(); }

/* Sums of products, 2 x 2 tiles of floats: the first four of the thread. */
typedef struct {
    char none;
} Sums;

static inline void clear_sums(Sums *sums) {
    (void)sums;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}
static inline void store_sums(const Sums *sums, float *c) {
    const int tile = UNIT * UNIT, row = 4 * UNIT;
    (void)sums;
    _tile_stored(0, c, row);
    _tile_stored(1, c + tile, row);
    _tile_stored(2, c + 2 * tile, row);
    _tile_stored(3, c + 3 * tile, row);
}

/* Add the products of n squares of A and of B, one after another; if `paired` also those of the squares of
 * A that are `step` behind, with three loads in place of four. */
static inline void add_products(
    Sums *sums, const bfloat16 *a, ptrdiff_t step, int paired, const bfloat16 *b, ptrdiff_t n, Ahead *ahead) {
    const int row = 2 * DEPTH;
    (void)sums;
    __asm__ volatile("" ::: "memory"); /* GCC does not know that loads of tiles read memory */
    for (ptrdiff_t i = 0; i < n; i++, a += SQUARE, b += SQUARE) {
        _tile_loadd(4, a, row);
        _tile_loadd(5, a + HALF, row);
        _tile_loadd(6, b, row);
        _tile_loadd(7, b + HALF, row);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        fetch(ahead);
        if (!paired) continue;
        _tile_loadd(4, a + step, row);
        _tile_loadd(5, a + step + HALF, row);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}
#else
static void take_units(void) {}
static void leave_units(void) {}
typedef struct {
    float c[4 * UNIT * UNIT];
} Sums;

static void clear_sums(Sums *sums) { memset(sums, 0, sizeof(Sums)); }
static void store_sums(const Sums *sums, float *c) { memcpy(c, sums, sizeof(Sums)); }
static void add_products(
    Sums *sums, const bfloat16 *a, ptrdiff_t step, int paired, const bfloat16 *b, ptrdiff_t n, Ahead *ahead) {
    (void)ahead;
    for (ptrdiff_t i = 0; i < n; i++, a += SQUARE, b += SQUARE)
        for (int t = 0; t < (paired ? 8 : 4); t++)
            emulated_product(
                sums->c + t % 4 * UNIT * UNIT, &a[t / 4 * step + t % 4 / 2 * HALF].bits,
                &b[t % 2 * HALF].bits);
}
#endif

#endif
