/* The sun: a clear sky times a clearness that keeps its mood from day to day and wanders within the day. */
#include "simulate/chance.h"
#include "simulate/sky.h"
#include "simulate/truth.h"

#include <math.h>

#define DAY_MS 86400000LL
#define PERFORMANCE 0.86 /* of panels, inverter and cables */
#define DAY_KEEP 0.45
#define HOUR_KEEP 0.986  /* a minute: 70 minutes */
#define CLOUD_KEEP 0.75  /* a minute: single clouds */

/* What a day leaves of a clear sky, 0.1..1, of a number of mean 0 and deviation 1: mean 0.6. */
static double day_clearness(double mood)
{
	return 0.1 + 0.9 / (1 + exp(-1.6 * mood - 0.25));
}

void truth_make_sun(const struct scenario *s, struct truth *t)
{
	struct chance chance = chance_make(s->seed, CHANCE_CLOUDS);
	double mood = 0, hours = 0, cloud = 0, clear = 1;

	for (int i = 0; i < t->n; i++) {
		int64_t utc_ms = t->from_utc_ms + (int64_t)i * TRUTH_MINUTE_MS;
		double broken, k;

		if (i == 0 || utc_ms % DAY_MS < TRUTH_MINUTE_MS) {
			mood = DAY_KEEP * mood + sqrt(1 - DAY_KEEP * DAY_KEEP) * chance_normal(&chance);
			clear = day_clearness(mood);
		}
		hours = HOUR_KEEP * hours + sqrt(1 - HOUR_KEEP * HOUR_KEEP) * chance_normal(&chance);
		cloud = CLOUD_KEEP * cloud + sqrt(1 - CLOUD_KEEP * CLOUD_KEEP) * chance_normal(&chance);
		if (!(s->pv.peak_w > 0))
			continue;
		broken = 4 * clear * (1 - clear); /* neither a grey sky nor a blue one flickers */
		k = fmin(fmax(clear + broken * (0.3 * hours + 0.12 * cloud), 0.05), 1.1);
		k = 1 + s->pv.clouds * (k - 1);
		t->pv_w[i] = (float)fmin(s->pv.peak_w, PERFORMANCE * s->pv.peak_w / 1000 * k *
						       sky_clear_w_m2(s->latitude, s->longitude, s->pv.tilt_deg, s->pv.azimuth_deg, utc_ms));
	}
}
