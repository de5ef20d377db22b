/* Walk tree ensembles as scikit-learn does: double thresholds, "<=" to the left, sums in the order of the trees.

   A node's children stand side by side, so that a step is arithmetic and no branch that could be mispredicted; a
   leaf is its own left child. Several walks go in step, so that one's memory access hides behind another's. */

#include <stdint.h>

typedef struct {
    double threshold; /* infinity in a leaf */
    int32_t feature;
    int32_t left;
} Node;

typedef struct {
    const Node *nodes;
    const uint8_t *missing_right; /* where a node sends NaN: 1 to the right; 0 in a leaf */
    const int32_t *roots;
    const int32_t *leaves; /* the row of `values` of each node that is a leaf */
    const double *values;
    int64_t trees, outputs, width;
} Ensemble;

enum { LANES = 16 };

static inline void descend(const Ensemble *e, const double *const *cells, int32_t *at, int lanes)
{
    int32_t moved;
    do {
        moved = 0;
        for (int lane = 0; lane < lanes; lane++) {
            const Node node = e->nodes[at[lane]];
            const double cell = cells[lane][node.feature];
            const int32_t next = node.left + !(cell <= node.threshold);
            moved |= next ^ at[lane];
            at[lane] = next;
        }
    } while (moved);
}

static inline void descend_missing(const Ensemble *e, const double *const *cells, int32_t *at, int lanes)
{
    int32_t moved;
    do {
        moved = 0;
        for (int lane = 0; lane < lanes; lane++) {
            const Node node = e->nodes[at[lane]];
            const double cell = cells[lane][node.feature];
            const int32_t right = cell != cell ? e->missing_right[at[lane]] : !(cell <= node.threshold);
            moved |= (node.left + right) ^ at[lane];
            at[lane] = node.left + right;
        }
    } while (moved);
}

static inline void add(const Ensemble *e, int32_t at, double *sums)
{
    const double *leaf = e->values + e->leaves[at] * e->outputs;
    for (int64_t output = 0; output < e->outputs; output++)
        sums[output] += leaf[output];
}

/* Add each row's leaves to its sums in `out`, which has `outputs` columns. */
void walk(const Ensemble *e, const double *rows, int64_t count, int32_t missing, double *out)
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
