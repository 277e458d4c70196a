/* with_constant(n, f, ...): f(n, ...) with n, from 1 to CLASS_BLOCK (simd.h), as a constant.
 *
 * Only where a register tile knows the number of its sums when it is compiled do they stay in registers. */
#ifndef FASTSOFTMAX_WITH_CONSTANT_H
#define FASTSOFTMAX_WITH_CONSTANT_H

#define FS_CASE(constant, f, ...) \
    case constant:                \
        f(constant, __VA_ARGS__); \
        break;

#define with_constant(n, f, ...)                \
    ({                                          \
        switch (n) {                            \
            FS_CASE(1, f, __VA_ARGS__)          \
            FS_CASE(2, f, __VA_ARGS__)          \
            FS_CASE(3, f, __VA_ARGS__)          \
            FS_CASE(4, f, __VA_ARGS__)          \
            FS_CASE(5, f, __VA_ARGS__)          \
            FS_CASE(6, f, __VA_ARGS__)          \
        default:                                \
            if (CLASS_BLOCK > 6) switch (n) {   \
                    FS_CASE(7, f, __VA_ARGS__)  \
                    FS_CASE(8, f, __VA_ARGS__)  \
                    FS_CASE(9, f, __VA_ARGS__)  \
                    FS_CASE(10, f, __VA_ARGS__) \
                    FS_CASE(11, f, __VA_ARGS__) \
                    FS_CASE(12, f, __VA_ARGS__) \
                }                               \
        }                                       \
        0;                                      \
    })

#endif
