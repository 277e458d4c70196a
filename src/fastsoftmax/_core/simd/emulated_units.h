/* What the instruction TDPBF16PS of Intel's matrix units computes, to the bit, on any processor.
 *
 * A tile has 16 rows of 64 bytes. The product adds to a tile C of floats that of A, 16 x 32 numbers of
 * bfloat16, and B, 32 x 16, whose rows hold pairs: B's numbers (2k, n) and (2k + 1, n) lie side by side.
 * For each element it sums the 16 even products and the 16 odd ones by fused multiply-adds, one after
 * another from 0, then C = C + (even + odd). All is rounded to the nearest float, ties to even, and
 * subnormal operands and results are 0.
 */
#ifndef FASTSOFTMAX_EMULATED_UNITS_H
#define FASTSOFTMAX_EMULATED_UNITS_H

#include <stdint.h>
#include <string.h>

#define UNIT 16  /* rows of a tile, and columns of one of floats */
#define DEPTH 32 /* numbers that a product sums */

static inline float fs_flushed(float x) {
    return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0, x) : x;
}

static inline float fs_widened(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, 4);
    return fs_flushed(x);
}

static void emulated_product(float *c, const uint16_t *a, const uint16_t *b) {
    float sums[2][UNIT][UNIT] = {{{0}}}, row[UNIT];
    for (int k = 0; k < DEPTH; k++) {
        for (int n = 0; n < UNIT; n++) row[n] = fs_widened(b[k / 2 * DEPTH + 2 * n + k % 2]);
        for (int m = 0; m < UNIT; m++) {
            float x = fs_widened(a[m * DEPTH + k]), *sum = sums[k % 2][m];
            for (int n = 0; n < UNIT; n++) sum[n] = fs_flushed(__builtin_fmaf(x, row[n], sum[n]));
        }
    }
    for (int m = 0; m < UNIT; m++, c += UNIT)
        for (int n = 0; n < UNIT; n++)
            c[n] = fs_flushed(fs_flushed(c[n]) + fs_flushed(sums[0][m][n] + sums[1][m][n]));
}

#endif
