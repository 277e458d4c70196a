/* Numbers as arrays hold them, of types that are not `real`: part of simd.h, which includes this.
 *
 * load_stored(p) takes VL of them, for a pointer to any of the types below, every value exact that a `real` can hold.
 * GCC 12 takes __builtin_convertvector from 8 and 16 bits apart into scalars, so these widen by instruction where
 * float is the precision; in double they are rare.
 */
#ifndef FASTSOFTMAX_STORED_NUMBERS_H
#define FASTSOFTMAX_STORED_NUMBERS_H

typedef struct { uint16_t bits; } float16;  /* IEEE half precision */
typedef struct { uint16_t bits; } bfloat16; /* the upper half of a float */
typedef int32_t vint __attribute__((vector_size(FS_LANES * 4)));
typedef float vfloat __attribute__((vector_size(FS_LANES * 4)));

#if defined(FS_PREFIX) && !FS_DOUBLE
#if FS_VECTOR_BYTES == 64
#define FS_SHORTS __m256i
#else
#define FS_SHORTS __m128i
#endif
#define FS_WIDEN(name, type, narrow, instruction)          \
    fs_inline vint widen_##name(const void *p) {           \
        narrow x = {0};                                    \
        memcpy(&x, p, FS_LANES * sizeof(type));            \
        return (vint)FS_PASTE(FS_PREFIX, instruction, )(x); \
    }
#else
#define FS_WIDEN(name, type, narrow, instruction)                                          \
    fs_inline vint widen_##name(const void *p) {                                           \
        typedef type vstored __attribute__((vector_size(FS_LANES * sizeof(type)), aligned(1), may_alias)); \
        return __builtin_convertvector(*(const vstored *)p, vint);                         \
    }
#endif
FS_WIDEN(uint8, uint8_t, __m128i, cvtepu8_epi32)
FS_WIDEN(int8, int8_t, __m128i, cvtepi8_epi32)
FS_WIDEN(uint16, uint16_t, FS_SHORTS, cvtepu16_epi32)
FS_WIDEN(int16, int16_t, FS_SHORTS, cvtepi16_epi32)

#define FS_LOAD(name, type)                                                                \
    fs_inline vreal load_##name(const void *p) {                                           \
        typedef type vstored __attribute__((vector_size(FS_LANES * sizeof(type)), aligned(1), may_alias)); \
        return __builtin_convertvector(*(const vstored *)p, vreal);                        \
    }
FS_LOAD(int32, int32_t)
FS_LOAD(uint32, uint32_t)
FS_LOAD(int64, int64_t)
FS_LOAD(uint64, uint64_t)
FS_LOAD(float32, float)
FS_LOAD(float64, double)
fs_inline vreal fs_from_int(vint x) { return __builtin_convertvector(x, vreal); }
fs_inline vreal load_uint8(const void *p) { return fs_from_int(widen_uint8(p)); }
fs_inline vreal load_int8(const void *p) { return fs_from_int(widen_int8(p)); }
fs_inline vreal load_uint16(const void *p) { return fs_from_int(widen_uint16(p)); }
fs_inline vreal load_int16(const void *p) { return fs_from_int(widen_int16(p)); }
fs_inline vreal load_bfloat16(const void *p) {
    return __builtin_convertvector((vfloat)(widen_uint16(p) << 16), vreal);
}
fs_inline vreal load_float16(const void *p) {
#if defined(__F16C__) && !FS_DOUBLE && FS_VECTOR_BYTES == 64
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#elif defined(__F16C__) && !FS_DOUBLE
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#else
    /* exponent and fraction, moved to their places in a float, are the number times 2^-112, subnormal
     * or not; where all bits of the exponent were set they are set again */
    vint x = widen_uint16(p), magnitude = (x & 0x7fff) << 13;
    vfloat scaled = (vfloat)magnitude * 0x1p112f;
    vint whole = (vint)scaled | ((magnitude >= 0x7c00 << 13) & 0x7f800000) | (x & 0x8000) << 16;
    return __builtin_convertvector((vfloat)whole, vreal);
#endif
}
/* VL floats, each to the nearest float16, or to the even one of two; from 65520 on to infinity */
fs_inline void store_float16(void *p, const float *x) {
#if defined(__F16C__) && !FS_DOUBLE && FS_VECTOR_BYTES == 64
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(_mm512_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT));
#elif defined(__F16C__) && !FS_DOUBLE
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(_mm256_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT));
#else
    typedef uint16_t vshort __attribute__((vector_size(FS_LANES * sizeof(uint16_t))));
    vint sign, magnitude;
    memcpy(&sign, x, sizeof sign);
    magnitude = sign & 0x7fffffff;
    vint large = magnitude >= 0x477ff000, nan = magnitude > 0x7f800000, subnormal = magnitude < 0x38800000;
    magnitude &= ~large;
    /* the last bit of 0.5 is worth as much as that of a subnormal float16: the addition rounds */
    vint tiny = (vint)((vfloat)magnitude + 0.5f) - 0x3f000000;
    vint usual = ((magnitude + 0xfff + ((magnitude >> 13) & 1)) >> 13) - (112 << 10);
    vint half = ((tiny & subnormal) | (usual & ~subnormal)) & ~large;
    half |= (large & 0x7c00) | (nan & 0x200) | ((sign >> 16) & 0x8000);
    vshort stored = __builtin_convertvector(half, vshort);
    memcpy(p, &stored, sizeof stored);
#endif
}
fs_inline void store_rounded(float16 *p, vreal x) {
    vfloat single = __builtin_convertvector(x, vfloat);
    float lanes[FS_LANES];
    memcpy(lanes, &single, sizeof lanes);
    store_float16(p, lanes);
}
#define load_stored(p)                                                                          \
    _Generic((p), const uint8_t *: load_uint8, const int8_t *: load_int8,                       \
        const uint16_t *: load_uint16, const int16_t *: load_int16, const uint32_t *: load_uint32, \
        const int32_t *: load_int32, const uint64_t *: load_uint64, const int64_t *: load_int64, \
        const float *: load_float32, const double *: load_float64, const float16 *: load_float16, \
        const bfloat16 *: load_bfloat16)(p)

/* The first n < VL numbers, zeros behind them; nothing else is touched. */
typedef struct { char byte[FS_VECTOR_BYTES]; } fs_bytes;
fs_inline fs_bytes fs_first_bytes(const void *p, int n) {
    fs_bytes x = {{0}};
#if FS_VECTOR_BYTES == 64
    _mm512_storeu_si512(&x, _mm512_maskz_loadu_epi8((1ull << n) - 1, p)); /* stays in its register */
#else
    memcpy(&x, p, (size_t)n);
#endif
    return x;
}
#define load_stored_first(p, n)                                        \
    _Generic((p), const real *: load_first((const real *)(p), n),      \
        default: load_stored((__typeof__(p))(fs_bytes[1]){fs_first_bytes(p, (n) * (int)sizeof *(p))}))

/* Whether float16 becomes float by one instruction. */
#if defined(__F16C__)
#define HALF_BY_INSTRUCTION 1
#else
#define HALF_BY_INSTRUCTION 0
#endif

#endif
