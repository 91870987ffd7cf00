/* The top of a concave function of two prices, as far as its tangents tell: a linear program in three unknowns, small enough to
 * try every corner. */
#include "policies/planner/pair.h"

#define ROWS_MAX (PAIR_PEAK_PLANES + 4)
#define CORNER_EPS 1e-9

/* a[0] x + a[1] y + a[2] z <= b */
struct row {
	double a[3], b;
};

static int rows_of(const struct pair_peak *k, struct row *out)
{
	int n = 0;

	for (int i = 0; i < k->n; i++)
		out[n++] = (struct row){ { -k->plane[i].slope[0], -k->plane[i].slope[1], 1 }, k->plane[i].at };
	for (int i = 0; i < 2; i++) {
		out[n] = (struct row){ { 0, 0, 0 }, -k->low[i] };
		out[n++].a[i] = -1;
		out[n] = (struct row){ { 0, 0, 0 }, k->high[i] };
		out[n++].a[i] = 1;
	}
	return n;
}

static double det(const double *a, const double *b, const double *c)
{
	return a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
}

/* Where three rows meet. */
static bool corner(const struct row *r[3], double out[3])
{
	double d = det(r[0]->a, r[1]->a, r[2]->a);

	if (fabs(d) < 1e-12)
		return false;
	for (int i = 0; i < 3; i++) {
		double m[3][3];

		for (int k = 0; k < 3; k++) {
			for (int j = 0; j < 3; j++)
				m[k][j] = r[k]->a[j];
			m[k][i] = r[k]->b;
		}
		out[i] = det(m[0], m[1], m[2]) / d;
	}
	return true;
}

static bool within(const struct row *r, int n, const double x[3])
{
	for (int i = 0; i < n; i++) {
		double over = r[i].a[0] * x[0] + r[i].a[1] * x[1] + r[i].a[2] * x[2] - r[i].b;

		if (over > CORNER_EPS * (1 + fabs(r[i].b)))
			return false;
	}
	return true;
}

double pair_peak(const struct pair_peak *p, double at[2])
{
	struct row row[ROWS_MAX];
	double best = -INFINITY, x[3];
	int n = rows_of(p, row);

	for (int i = 0; i < p->n; i++) /* no corner without a tangent */
		for (int j = i + 1; j < n; j++)
			for (int k = j + 1; k < n; k++) {
				if (!corner((const struct row *[]){ &row[i], &row[j], &row[k] }, x) || x[2] <= best ||
				    !within(row, n, x))
					continue;
				best = x[2];
				at[0] = x[0];
				at[1] = x[1];
			}
	return best;
}
