/* See plan.h. A sweep over the sorted points that grows a block as long as it may; refusals halve blocks, so a point the
 * device does not have is cornered within a few polls and the rest of its block stays whole. */
#include "drivers/modbus/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int point_end(const struct plan_point *p)
{
	return p->address + p->count;
}

static bool point_valid(const struct plan_point *p)
{
	return p->fc >= 1 && p->fc <= 4 && p->count >= 1 && p->count <= REQUEST_WORDS_MAX && point_end(p) <= 65536;
}

static bool point_before(const struct plan_point *a, const struct plan_point *b)
{
	if (a->fc != b->fc)
		return a->fc < b->fc;
	if (a->address != b->address)
		return a->address < b->address;
	return a->count > b->count; /* the longest of those that begin together comes first and takes the others in */
}

static bool memory_is_dead(const struct plan_memory *m, const struct plan_point *p)
{
	for (int i = 0; m && i < m->n_dead; i++)
		if (m->dead[i].fc == p->fc && m->dead[i].address == p->address && m->dead[i].count == p->count)
			return true;
	return false;
}

/* Copies the live points in order (insertion: lists are short and mostly sorted). Returns how many or -EINVAL. */
static int points_sort(const struct plan_point *points, int n, const struct plan_memory *m, struct plan_point *out)
{
	int used = 0;

	for (int i = 0; i < n; i++) {
		int k = used;

		if (!point_valid(&points[i]))
			return -EINVAL;
		if (memory_is_dead(m, &points[i]))
			continue;
		for (; k > 0 && point_before(&points[i], &out[k - 1]); k--)
			out[k] = out[k - 1];
		out[k] = points[i];
		used++;
	}
	return used;
}

static bool memory_cuts(const struct plan_memory *m, uint8_t fc, int start, int end)
{
	for (int i = 0; m && i < m->n_cuts; i++)
		if (m->cut[i].fc == fc && m->cut[i].address > start && m->cut[i].address < end)
			return true;
	return false;
}

static bool read_takes(const struct plan_read *r, const struct plan_point *p, const struct plan_limits *limits,
		       const struct plan_memory *m)
{
	int end = r->address + r->count, grown = point_end(p) > end ? point_end(p) : end;
	int max = limits->max_regs > 0 && limits->max_regs < REQUEST_WORDS_MAX ? limits->max_regs : REQUEST_WORDS_MAX;

	if (r->fc != p->fc)
		return false;
	if (limits->single_reads || (m && m->single_reads))
		return r->address == p->address && r->count == p->count;
	if (grown == end) /* inside already */
		return true;
	return p->address <= end + limits->hole && grown - r->address <= max && !memory_cuts(m, p->fc, r->address, grown);
}

int plan_reads(const struct plan_point *points, int n, const struct plan_limits *limits, const struct plan_memory *memory,
	       struct plan_read *out, int max)
{
	struct plan_point sorted[PLAN_POINTS_MAX];
	int used = 0;

	if (n > PLAN_POINTS_MAX)
		return -E2BIG;
	n = points_sort(points, n, memory, sorted);
	for (int i = 0; i < n; i++) {
		struct plan_read *last = used ? &out[used - 1] : NULL;

		if (last && read_takes(last, &sorted[i], limits, memory)) {
			if (point_end(&sorted[i]) > last->address + last->count)
				last->count = (uint16_t)(point_end(&sorted[i]) - last->address);
			continue;
		}
		if (used == max)
			return -ENOSPC;
		out[used++] = (struct plan_read){ sorted[i].fc, sorted[i].address, sorted[i].count };
	}
	return n < 0 ? n : used;
}

/* The live points inside a read, sorted, without doubles. */
static int points_inside(const struct plan_memory *m, const struct plan_point *points, int n, const struct plan_read *read,
			 struct plan_point *out)
{
	struct plan_point sorted[PLAN_POINTS_MAX];
	int inside = 0;

	n = n > PLAN_POINTS_MAX ? 0 : points_sort(points, n, m, sorted);
	for (int i = 0; i < n; i++) {
		const struct plan_point *p = &sorted[i], *before = inside ? &out[inside - 1] : NULL;

		if (p->fc != read->fc || p->address < read->address || point_end(p) > read->address + read->count)
			continue;
		if (before && before->address == p->address && before->count == p->count)
			continue;
		out[inside++] = *p;
	}
	return inside;
}

static enum plan_lesson memory_kill(struct plan_memory *m, const struct plan_read *read)
{
	if (m->n_dead == PLAN_DEAD_MAX)
		return PLAN_FULL;
	m->dead[m->n_dead++] = *read;
	return PLAN_DEAD;
}

static void memory_cut(struct plan_memory *m, uint8_t fc, int address)
{
	if (m->n_cuts == PLAN_CUTS_MAX)
		m->single_reads = true;
	else
		m->cut[m->n_cuts++] = (struct plan_read){ fc, (uint16_t)address, 0 };
}

enum plan_lesson plan_refused(struct plan_memory *memory, const struct plan_point *points, int n,
			      const struct plan_read *read)
{
	struct plan_point inside[PLAN_POINTS_MAX];
	int end, middle = read->address + read->count / 2, best = -1;
	bool holes = false;

	n = points_inside(memory, points, n, read, inside);
	if (n <= 1 || memory->single_reads)
		return memory_kill(memory, read);

	end = point_end(&inside[0]);
	for (int i = 1; i < n; i++) {
		int address = inside[i].address;

		if (address > end) {
			holes = true;
			memory_cut(memory, read->fc, address);
		}
		if (address == end && (best < 0 || abs(address - middle) < abs(best - middle)))
			best = address;
		if (point_end(&inside[i]) > end)
			end = point_end(&inside[i]);
	}
	if (holes)
		return PLAN_SPLIT;
	if (best >= 0)
		memory_cut(memory, read->fc, best);
	else
		memory->single_reads = true; /* the points overlap: no clean place to cut */
	return PLAN_SPLIT;
}

void plan_request(const struct plan_read *read, uint16_t gap_ms, struct modbus_request *out)
{
	memset(out, 0, sizeof(*out));
	out->fc = read->fc;
	out->address = read->address;
	out->count = read->count;
	out->gap_ms = gap_ms;
}

const uint16_t *plan_words(const struct modbus_request *answer, const struct plan_point *point)
{
	if (answer->fc != point->fc || point->address < answer->address ||
	    point_end(point) > answer->address + answer->count)
		return NULL;
	return &answer->words[point->address - answer->address];
}
