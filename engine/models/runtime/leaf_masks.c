/* Find the leaves of small trees without walking them: a node whose test fails rules out the leaves on its left, so that
   the leaf that is reached is the first one that no failed node rules out (QuickScorer, Lucchese et al., SIGIR 2015).

   The nodes of a group of trees stand by feature, the smallest threshold first: those that fail for any of some rows are
   the first ones of each feature. Sums are in the order of the trees, as those of `walk`. */

#include <stdint.h>
#include <stdlib.h>

enum { ROWS = 8 }; /* at a time, one in each lane of a vector */

typedef float Floats __attribute__((vector_size(ROWS * sizeof(float))));
typedef int32_t Bits __attribute__((vector_size(ROWS * sizeof(int32_t))));
typedef double Doubles __attribute__((vector_size(ROWS * sizeof(double))));

typedef struct {
    double threshold;
    int32_t tree;  /* in its group */
    int32_t ruled; /* the leaves that it rules out where a cell is above the threshold, a bit for each */
} Cut;

typedef struct {
    int32_t feature; /* as its place in `features` */
    int32_t begin, end;
} Run; /* the cuts of one feature in one group */

typedef struct Masks {
    const Cut *cuts;
    const Run *runs;
    const int32_t *groups;   /* the first run of each group, and the end of the last one */
    const int32_t *features; /* those that have cuts */
    const int32_t *first;    /* the row of `values` of each tree's leaf on the left */
    const double *values;
    int64_t group_count, group_size, feature_count, trees, outputs, width, single;
} Masks;

/* Take the cells of some rows apart, by feature; those of a row that is not there are those of the last one. */
static inline __attribute__((always_inline)) void take_cells(const Masks *m, const double *rows, int64_t count,
                                                             double *cells, double *most)
{
    for (int64_t one = 0; one < m->feature_count; one++) {
        const double *column = rows + m->features[one];
        double largest = column[0];
        for (int64_t lane = 0; lane < ROWS; lane++) {
            const double cell = column[(lane < count ? lane : count - 1) * m->width];
            cells[one * ROWS + lane] = cell;
            largest = cell > largest ? cell : largest;
        }
        most[one] = largest;
    }
}

/* Rule out leaves by the cuts of one feature. Rows that are float32 are compared as such: half the work. */
static inline __attribute__((always_inline)) void rule_out(const Cut *cut, const Cut *end, const double *cells,
                                                           double most, int narrow, Bits *alive)
{
    Floats floats;
    Doubles doubles;
    for (int lane = 0; lane < ROWS; lane++) {
        floats[lane] = (float)cells[lane];
        doubles[lane] = cells[lane];
    }
    for (; cut < end && cut->threshold < most; cut++) {
        Bits above;
        if (narrow)
            above = floats > (float)cut->threshold;
        else
            above = __builtin_convertvector(doubles > cut->threshold, Bits);
        alive[cut->tree] &= ~(above & cut->ruled);
    }
}

static inline __attribute__((always_inline)) int32_t find_leaves(const Masks *m, const double *rows, int64_t count,
                                                                 int narrow, double *out)
{
    Bits *alive = aligned_alloc(sizeof(Bits), (size_t)m->group_size * sizeof(Bits));
    double *cells = malloc((size_t)m->feature_count * (ROWS + 1) * sizeof(double));
    if (alive == NULL || cells == NULL) {
        free(alive);
        free(cells);
        return 0;
    }
    double *most = cells + m->feature_count * ROWS;
    for (int64_t row = 0; row < count; row += ROWS) {
        const int64_t lanes = count - row < ROWS ? count - row : ROWS;
        take_cells(m, rows + row * m->width, lanes, cells, most);
        for (int64_t group = 0; group < m->group_count; group++) {
            const int64_t begin = group * m->group_size;
            const int64_t left = m->trees - begin, trees = left < m->group_size ? left : m->group_size;
            for (int64_t tree = 0; tree < trees; tree++)
                alive[tree] = (Bits){0} - 1;
            for (const Run *run = m->runs + m->groups[group]; run < m->runs + m->groups[group + 1]; run++)
                rule_out(m->cuts + run->begin, m->cuts + run->end, cells + run->feature * ROWS, most[run->feature],
                         narrow, alive);
            for (int64_t tree = 0; tree < trees; tree++) {
                const uint32_t *bits = (const uint32_t *)(alive + tree);
                for (int64_t lane = 0; lane < lanes; lane++) {
                    const double *leaf = m->values + (m->first[begin + tree] + __builtin_ctz(bits[lane])) * m->outputs;
                    double *sums = out + (row + lane) * m->outputs;
                    for (int64_t output = 0; output < m->outputs; output++)
                        sums[output] = m->single ? (double)(float)(sums[output] + leaf[output])
                                                 : sums[output] + leaf[output];
                }
            }
        }
    }
    free(alive);
    free(cells);
    return 1;
}

static int32_t find_plainly(const Masks *m, const double *rows, int64_t count, int narrow, double *out)
{
    return narrow ? find_leaves(m, rows, count, 1, out) : find_leaves(m, rows, count, 0, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static int32_t find_widely(const Masks *m, const double *rows, int64_t count,
                                                            int narrow, double *out)
{
    return narrow ? find_leaves(m, rows, count, 1, out) : find_leaves(m, rows, count, 0, out);
}
#endif

/* Add each row's leaves to its sums in `out`; no cell may be NaN. `narrow` says that all of them are float32, and the
   thresholds too. Return 0 if there is no memory. */
int32_t sum_by_masks(const Masks *m, const double *rows, int64_t count, int narrow, double *out)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return find_widely(m, rows, count, narrow, out);
#endif
    return find_plainly(m, rows, count, narrow, out);
}
