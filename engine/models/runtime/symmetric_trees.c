/* Find the leaves of symmetric trees, whose nodes of one level have the same test: the tests of a tree do not depend on
   each other, and their outcomes are the bits of its leaf's number. Sums are in the order of the trees, as those of
   `walk`. */

#include <stdint.h>
#include <stdlib.h>

enum { LANES = 8, BLOCK = 64 }; /* rows in a vector, and rows that are sent through one tree after another */

typedef float Floats __attribute__((vector_size(LANES * sizeof(float))));
typedef double Doubles __attribute__((vector_size(LANES * sizeof(double))));
typedef int32_t Bits __attribute__((vector_size(LANES * sizeof(int32_t))));

typedef struct {
    double threshold;
    int32_t feature; /* as its place in `features` */
    int32_t missing_right; /* 1 if NaN goes to the right */
} Test;

typedef struct Symmetric {
    const Test *tests;       /* of each level of each tree, that of the root first */
    const int32_t *levels;   /* the first test of each tree, and the end of the last one */
    const int32_t *leaves;   /* the row of `values` of each tree's leaf on the left */
    const int32_t *features; /* those that have tests */
    const double *values;
    int64_t feature_count, trees, outputs, width, single;
    int64_t floats; /* comparing in float32 is the same */
} Symmetric;

static inline void add_leaf(const Symmetric *s, int64_t tree, int32_t number, double *sums)
{
    const double *leaf = s->values + (s->leaves[tree] + number) * s->outputs;
    for (int64_t output = 0; output < s->outputs; output++)
        sums[output] = s->single ? (double)(float)(sums[output] + leaf[output]) : sums[output] + leaf[output];
}

static void sum_row(const Symmetric *s, const double *row, double *sums)
{
    for (int64_t tree = 0; tree < s->trees; tree++) {
        int32_t number = 0;
        for (int32_t test = s->levels[tree]; test < s->levels[tree + 1]; test++) {
            const double cell = row[s->features[s->tests[test].feature]];
            number = 2 * number + (s->tests[test].missing_right ? !(cell <= s->tests[test].threshold)
                                                               : cell > s->tests[test].threshold);
        }
        add_leaf(s, tree, number, sums);
    }
}

/* Send a block of rows through all trees; `cells` are theirs by feature, float32 where `floats`, a constant here. */
static inline __attribute__((always_inline)) void sum_block(const Symmetric *s, const void *cells, int64_t rows,
                                                            int floats, double *out)
{
    for (int64_t tree = 0; tree < s->trees; tree++) {
        const double *leaves = s->values + s->leaves[tree];
        for (int64_t row = 0; row < rows; row += LANES) {
            Bits number = {0};
            for (int32_t test = s->levels[tree]; test < s->levels[tree + 1]; test++) {
                const Test at = s->tests[test];
                const int64_t place = (at.feature * BLOCK + row) / LANES;
                Bits above; /* -1 where it is */
                if (floats) {
                    const Floats cell = ((const Floats *)cells)[place];
                    above = at.missing_right ? ~(cell <= (float)at.threshold) : cell > (float)at.threshold;
                } else {
                    const Doubles cell = ((const Doubles *)cells)[place];
                    above = __builtin_convertvector(
                        at.missing_right ? ~(cell <= at.threshold) : cell > at.threshold, Bits);
                }
                number = number + number - above;
            }
            const int64_t lanes = rows - row < LANES ? rows - row : LANES;
            if (lanes == LANES && s->outputs == 1 && !s->single)
                for (int64_t lane = 0; lane < LANES; lane++)
                    out[row + lane] += leaves[number[lane]];
            else
                for (int64_t lane = 0; lane < lanes; lane++)
                    add_leaf(s, tree, number[lane], out + (row + lane) * s->outputs);
        }
    }
}

static inline __attribute__((always_inline)) int32_t sum_blocks(const Symmetric *s, const double *rows, int64_t count,
                                                                double *out)
{
    void *cells = aligned_alloc(sizeof(Doubles), (size_t)s->feature_count * BLOCK * sizeof(double));
    if (cells == NULL)
        return 0;
    for (int64_t begin = 0; begin < count; begin += BLOCK) {
        const int64_t size = count - begin < BLOCK ? count - begin : BLOCK;
        for (int64_t one = 0; one < s->feature_count; one++) {
            const double *column = rows + begin * s->width + s->features[one];
            for (int64_t row = 0; row < BLOCK; row++) {
                const double cell = column[(row < size ? row : size - 1) * s->width];
                if (s->floats)
                    ((float *)cells)[one * BLOCK + row] = (float)cell;
                else
                    ((double *)cells)[one * BLOCK + row] = cell;
            }
        }
        if (s->floats)
            sum_block(s, cells, size, 1, out + begin * s->outputs);
        else
            sum_block(s, cells, size, 0, out + begin * s->outputs);
    }
    free(cells);
    return 1;
}

static int32_t sum_plainly(const Symmetric *s, const double *rows, int64_t count, double *out)
{
    return sum_blocks(s, rows, count, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static int32_t sum_widely(const Symmetric *s, const double *rows, int64_t count,
                                                           double *out)
{
    return sum_blocks(s, rows, count, out);
}
#endif

/* Add each row's leaves to its sums in `out`. Return 0 if there is no memory. */
int32_t sum_symmetric(const Symmetric *s, const double *rows, int64_t count, double *out)
{
    if (count < LANES) {
        for (int64_t row = 0; row < count; row++)
            sum_row(s, rows + row * s->width, out + row * s->outputs);
        return 1;
    }
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return sum_widely(s, rows, count, out);
#endif
    return sum_plainly(s, rows, count, out);
}
