/* See chance.h. xorshift64*, seeded by splitmix64. */
#include "simulate/chance.h"

#include <math.h>

struct chance chance_make(uint64_t seed, enum chance_purpose purpose)
{
	uint64_t z = seed * 0x9E3779B97F4A7C15u + (uint64_t)purpose * 0xD1B54A32D192ED03u + 0x632BE59BD9B4E019u;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	z ^= z >> 31;
	return (struct chance){ z ? z : 1 };
}

double chance_unit(struct chance *c)
{
	c->state ^= c->state >> 12;
	c->state ^= c->state << 25;
	c->state ^= c->state >> 27;
	return (double)((c->state * 0x2545F4914F6CDD1Du) >> 11) / 9007199254740992.0;
}

double chance_normal(struct chance *c)
{
	const double u = 1 - chance_unit(c), v = chance_unit(c);

	return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

int chance_poisson(struct chance *c, double mean)
{
	const double end = exp(-mean);
	double p = chance_unit(c);
	int n = 0;

	while (p > end && n < 30) {
		p *= chance_unit(c);
		n++;
	}
	return n;
}
