/* Walk tree ensembles: double thresholds, "<=" to the left, sums in the order of the trees, as scikit-learn does.

   A node's children stand side by side, so that a step is arithmetic and no branch that could be mispredicted; a
   leaf is its own left child. Several walks go in step, so that one's memory access hides behind another's. */

#include <stdint.h>
#include <stdlib.h>

typedef struct {
    double threshold; /* infinity in a leaf */
    int32_t feature;
    int32_t left;
} Node;

struct Masks;
struct Symmetric;

typedef struct {
    const Node *nodes;
    const uint8_t *missing_right; /* where a node sends NaN: 1 to the right; 0 in a leaf */
    const int32_t *roots;
    const int32_t *leaves; /* the row of `values` of each node that is a leaf */
    const double *values;
    int64_t trees, outputs, width;
    int64_t single; /* sums are rounded to float32, as XGBoost's are: exact, since double has twice the bits */
    const struct Masks *masks;         /* of small trees, NULL if there are larger ones */
    const struct Symmetric *symmetric; /* NULL if any tree is not */
} Ensemble;

enum { LANES = 16 };

/* Take each walk from where it is `at` to its leaf. `missing` is a constant where this is inlined. */
static inline void take_down(const Ensemble *e, const double *const *cells, int32_t *at, int lanes, int missing)
{
    int32_t moved;
    do {
        moved = 0;
        for (int lane = 0; lane < lanes; lane++) {
            const Node node = e->nodes[at[lane]];
            const double cell = cells[lane][node.feature];
            int32_t right = !(cell <= node.threshold);
            if (missing)
                right = cell != cell ? e->missing_right[at[lane]] : right;
            moved |= (node.left + right) ^ at[lane];
            at[lane] = node.left + right;
        }
    } while (moved);
}

static void descend(const Ensemble *e, const double *const *cells, int32_t *at, int lanes)
{
    take_down(e, cells, at, lanes, 0);
}

static void descend_missing(const Ensemble *e, const double *const *cells, int32_t *at, int lanes)
{
    take_down(e, cells, at, lanes, 1);
}

static inline void add(const Ensemble *e, int32_t at, double *sums)
{
    const double *leaf = e->values + e->leaves[at] * e->outputs;
    for (int64_t output = 0; output < e->outputs; output++)
        sums[output] = e->single ? (double)(float)(sums[output] + leaf[output]) : sums[output] + leaf[output];
}

/* Add each row's leaves to its sums in `out`, which has `outputs` columns; `missing` says that a cell is NaN. */
static void sum_leaves(const Ensemble *e, const double *rows, int64_t count, int missing, double *out)
{
    void (*go)(const Ensemble *, const double *const *, int32_t *, int) = missing ? descend_missing : descend;
    const double *cells[LANES];
    int32_t at[LANES];
    if (count < LANES) { /* a few rows: several trees in step */
        for (int64_t row = 0; row < count; row++) {
            for (int lane = 0; lane < LANES; lane++)
                cells[lane] = rows + row * e->width;
            for (int64_t tree = 0; tree < e->trees; tree += LANES) {
                int lanes = e->trees - tree < LANES ? (int)(e->trees - tree) : LANES;
                for (int lane = 0; lane < lanes; lane++)
                    at[lane] = e->roots[tree + lane];
                go(e, cells, at, lanes);
                for (int lane = 0; lane < lanes; lane++)
                    add(e, at[lane], out + row * e->outputs);
            }
        }
        return;
    }
    for (int64_t tree = 0; tree < e->trees; tree++) { /* many rows: several of them in step through each tree */
        for (int64_t row = 0; row < count; row += LANES) {
            int lanes = count - row < LANES ? (int)(count - row) : LANES;
            for (int lane = 0; lane < lanes; lane++) {
                cells[lane] = rows + (row + lane) * e->width;
                at[lane] = e->roots[tree];
            }
            go(e, cells, at, lanes);
            for (int lane = 0; lane < lanes; lane++)
                add(e, at[lane], out + (row + lane) * e->outputs);
        }
    }
}

/* Whether all cells are finite: then each of them times zero is zero. */
static int is_finite(const double *rows, int64_t cells)
{
    double zeros[4] = {0}; /* several sums, so that none waits for the one before */
    int64_t cell = 0;
    for (; cell + 4 <= cells; cell += 4)
        for (int one = 0; one < 4; one++)
            zeros[one] += rows[cell + one] * 0.0;
    for (; cell < cells; cell++)
        zeros[0] += rows[cell] * 0.0;
    return zeros[0] + zeros[1] + zeros[2] + zeros[3] == 0.0;
}

enum { NARROW = 1, REFUSE_MISSING = 2, REFUSE_INFINITE = 4 };           /* what is asked of `walk` */
enum { DONE = 0, HAS_MISSING = 1, HAS_INFINITE = 2, NO_MEMORY = 3 }; /* what it says */

int32_t sum_by_masks(const struct Masks *m, const double *rows, int64_t count, int narrow, double *out);
int32_t sum_symmetric(const struct Symmetric *s, const double *rows, int64_t count, double *out);

enum { MASKED_ROWS = 8 }; /* as many as leaf_masks.c takes at a time */

/* Walk all rows, rounded to float32 where `asked` says NARROW; say why where a row is refused. */
int32_t walk(const Ensemble *e, const double *rows, int64_t count, int32_t asked, double *out)
{
    const int64_t cells = count * e->width;
    double *narrow = NULL;
    if (asked & NARROW) {
        narrow = malloc((size_t)cells * sizeof(double));
        if (narrow == NULL)
            return NO_MEMORY;
        for (int64_t cell = 0; cell < cells; cell++)
            narrow[cell] = (double)(float)rows[cell];
        rows = narrow;
    }
    int missing = 0, infinite = 0;
    for (int64_t cell = is_finite(rows, cells) ? cells : 0; cell < cells; cell++) {
        missing |= rows[cell] != rows[cell];
        infinite |= rows[cell] - rows[cell] != 0.0 && rows[cell] == rows[cell];
    }
    int32_t said = DONE;
    if (missing && (asked & REFUSE_MISSING))
        said = HAS_MISSING;
    else if (infinite && (asked & REFUSE_INFINITE))
        said = HAS_INFINITE;
    else if (e->symmetric != NULL)
        said = sum_symmetric(e->symmetric, rows, count, out) ? DONE : NO_MEMORY;
    else if (e->masks == NULL || missing || count < MASKED_ROWS)
        sum_leaves(e, rows, count, missing, out);
    else if (!sum_by_masks(e->masks, rows, count, asked & NARROW, out))
        said = NO_MEMORY;
    free(narrow);
    return said;
}
