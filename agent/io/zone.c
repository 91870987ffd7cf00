/* See zone.h. The tables are probed out of libc instead of parsed out of tzfile(5): whatever libc believes (TZDIR, the
 * rule behind the last transition) is what everything else on the machine shows too. */
#include "io/zone.h"

#include "core/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FIRST_S 1577836800LL /* 2020-01-01 */
#define LAST_S 2398377600LL  /* 2046-01-01 */
#define STEP_S 86400         /* no zone changes twice within a day */

static const char *zone_folder(void)
{
	const char *folder = getenv("TZDIR");

	return folder && folder[0] ? folder : "/usr/share/zoneinfo";
}

static bool zone_exists(const char *name)
{
	char path[512];
	struct stat st;

	if (!name[0] || name[0] == '/' || strstr(name, "..") || strlen(name) >= sizeof(((struct zone *)NULL)->name))
		return false;
	if (!strcmp(name, "UTC"))
		return true; /* also where tzdata is missing */
	snprintf(path, sizeof(path), "%s/%s", zone_folder(), name);
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool zone_known(const char *name, char *nearest, size_t nearest_size)
{
	struct nearest near;
	char path[512], line[512], zone[NEAREST_NAME_MAX];
	FILE *f;

	if (nearest_size)
		nearest[0] = '\0';
	if (zone_exists(name))
		return true;
	nearest_start(&near, name);
	nearest_offer(&near, "UTC");
	snprintf(path, sizeof(path), "%s/tzdata.zi", zone_folder());
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) /* "Z Europe/London -0:1:15 ..." and "L target link" */
		if (sscanf(line, "Z %63s", zone) == 1 || sscanf(line, "L %*s %63s", zone) == 1)
			nearest_offer(&near, zone);
	if (f)
		fclose(f);
	snprintf(nearest, nearest_size, "%s", near.best);
	return false;
}

static int32_t offset_at(int64_t utc_s)
{
	const time_t t = (time_t)utc_s;
	struct tm tm;

	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

/* First second in (low, high] with the offset of high; the two differ. */
static int64_t bisect(int64_t low, int64_t high)
{
	const int32_t before = offset_at(low);

	while (high - low > 1) {
		const int64_t mid = low + (high - low) / 2;

		if (offset_at(mid) == before)
			low = mid;
		else
			high = mid;
	}
	return high;
}

static int probe(struct zone *z)
{
	int32_t last = offset_at(FIRST_S);

	z->n = 1;
	z->t[0].from_utc_s = FIRST_S;
	z->t[0].offset_s = last;
	for (int64_t at = FIRST_S + STEP_S; at <= LAST_S; at += STEP_S) {
		const int32_t now = offset_at(at);

		if (now == last)
			continue;
		if (z->n == ZONE_TRANSITIONS_MAX)
			return -ENOSPC;
		z->t[z->n].from_utc_s = bisect(at - STEP_S, at);
		z->t[z->n++].offset_s = now;
		last = now;
	}
	return 0;
}

int zone_load(const char *name, struct zone *out, struct errbuf *err)
{
	const char *before = getenv("TZ");
	char *saved = before ? strdup(before) : NULL, value[64];
	struct zone z = { 0 };
	int r;

	if (before && !saved)
		return -ENOMEM;
	if (!zone_exists(name)) {
		free(saved);
		return errbuf_set(err, -ENOENT, "time zone '%.40s' is not known to this system", name);
	}
	snprintf(z.name, sizeof(z.name), "%s", name);
	snprintf(value, sizeof(value), ":%s", name);
	setenv("TZ", value, 1);
	tzset();
	r = probe(&z);
	if (saved)
		setenv("TZ", saved, 1);
	else
		unsetenv("TZ");
	tzset();
	free(saved);
	if (r < 0)
		return errbuf_set(err, r, "time zone '%.40s' changes its clock more than %d times", name,
				  ZONE_TRANSITIONS_MAX);
	*out = z;
	return 0;
}
