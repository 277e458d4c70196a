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

/* c, 2 x 2 tiles of floats, += the products of n squares of A and of B, one after another. */
static void multiply_squares(float *c, const bfloat16 *a, const bfloat16 *b, ptrdiff_t n) {
    const int step = UNIT * UNIT, row = 2 * DEPTH;
    __asm__ volatile("" ::: "memory"); /* GCC does not know that loads of tiles read memory */
    _tile_loadd(0, c, row);
    _tile_loadd(1, c + step, row);
    _tile_loadd(2, c + 2 * step, row);
    _tile_loadd(3, c + 3 * step, row);
    for (ptrdiff_t i = 0; i < n; i++, a += SQUARE, b += SQUARE) {
        _tile_loadd(4, a, row);
        _tile_loadd(5, a + HALF, row);
        _tile_loadd(6, b, row);
        _tile_loadd(7, b + HALF, row);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, row);
    _tile_stored(1, c + step, row);
    _tile_stored(2, c + 2 * step, row);
    _tile_stored(3, c + 3 * step, row);
}
#else
static void take_units(void) {}
static void leave_units(void) {}
static void multiply_squares(float *c, const bfloat16 *a, const bfloat16 *b, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++, a += SQUARE, b += SQUARE)
        for (int t = 0; t < 4; t++)
            emulated_product(c + t * UNIT * UNIT, &a[t / 2 * HALF].bits, &b[t % 2 * HALF].bits);
}
#endif

#endif
