/* "Did you mean ...": the nearest of some known names by edit distance. */
#ifndef HEARTH_CORE_NEAREST_H
#define HEARTH_CORE_NEAREST_H

#define NEAREST_NAME_MAX 64

struct nearest {
	const char *wanted;
	int distance;                   /* of best; meaningless while best is "" */
	char best[NEAREST_NAME_MAX];    /* "" = nothing near enough yet */
};

void nearest_start(struct nearest *n, const char *wanted);
/** Keeps @candidate when it is nearer than what was offered before and near enough to be a slip of the keys. */
void nearest_offer(struct nearest *n, const char *candidate);

#endif
