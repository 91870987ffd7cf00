/* See loop.h. A turn is measured from one uv_check to the next: closing, timers, prepare and the descriptors' callbacks, which
 * libuv runs inside its wait; so what it waited (UV_METRICS_IDLE_TIME, one more epoll_wait a turn) is subtracted. */
#include "io/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>

#define MINUTE_NS 60000000000u
#define MAXERROR_US 16000000 /* NTP_PHASE_LIMIT of the kernel */
#define APART_MS 100         /* clocks read within this are of one instant */
#define TRIES 3

static int64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t loop_now_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

int64_t loop_utc_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int64_t loop_slept_ms(void)
{
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC); /* first: suspended between the two, it is not seen too late */

	return clock_ms(CLOCK_BOOTTIME) - now_ms + 1000;
}

/* timesyncd touches it each time it has set or confirmed the clock; it lies on a tmpfs, so a boot forgets it. */
static int64_t touched_utc_ms(void)
{
	struct stat st;

	if (stat("/run/systemd/timesync/synchronized", &st) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

/* TIME_ERROR comes with STA_UNSYNC, but also alone when the kernel distrusts the clock. A maximum error at the kernel's own
 * bound means that nobody has disciplined the clock since it was last set by hand (or for nine hours): then the flag, should
 * somebody have cleared it, and timesyncd's file are of before. The file is for those where the flag is never set: timesyncd
 * leaves STA_UNSYNC where the hardware clock runs in local time, and not everybody is allowed to ask. */
static void ask_system(struct loop_clocks *out)
{
	struct timex tx = { .modes = 0 };
	int state = adjtimex(&tx);
	bool disciplined = state < 0 || tx.maxerror < MAXERROR_US;

	out->synchronised = state >= 0 && state != TIME_ERROR && !(tx.status & STA_UNSYNC) && disciplined;
	out->timesyncd_utc_ms = disciplined ? touched_utc_ms() : 0;
}

void loop_clocks(struct loop_clocks *out)
{
	int64_t before;

	for (int tries = 0; tries < TRIES; tries++) {
		before = clock_ms(CLOCK_BOOTTIME);
		out->slept_ms = loop_slept_ms();
		out->utc_ms = clock_ms(CLOCK_REALTIME);
		out->now_ms = clock_ms(CLOCK_BOOTTIME);
		if (out->now_ms - before <= APART_MS)
			break;
	}
	ask_system(out);
}

/* The loop's thread is the only one that comes here. */
static struct watch {
	uv_check_t check;
	uv_timer_t first;           /* the first thing of the first turn */
	bool running;
	int closing;                /* handles */
	uint64_t cpu_ns;            /* of the thread at the end of the last turn */
	uint64_t awake_ns, part_ns; /* the clock without what libuv waited: at the end of the last turn, at the last mark */
	char tag[LOOP_TAG_MAX], longest_tag[LOOP_TAG_MAX]; /* in force; of the longest part of this turn */
	uint64_t longest_part_ns;
	uint64_t minute_ns;         /* when the running minute began */
	double minute_ms, minute_cpu_ms;
	bool whole_minute;          /* one is over */
	struct loop_busy busy;
} watch;

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t awake_ns(uint64_t now_ns)
{
	return now_ns - uv_metrics_idle_time(watch.check.loop);
}

static void end_part(uint64_t awake)
{
	uint64_t part = awake - watch.part_ns;

	if (part > watch.longest_part_ns) {
		watch.longest_part_ns = part;
		memcpy(watch.longest_tag, watch.tag, LOOP_TAG_MAX);
	}
	watch.part_ns = awake;
}

void loop_mark(const char *what)
{
	if (!watch.running)
		return;
	end_part(awake_ns(uv_hrtime()));
	watch.tag[0] = '\0';
	if (what)
		memccpy(watch.tag, what, '\0', LOOP_TAG_MAX - 1); /* the last byte stays 0 */
}

static void count_minute(uint64_t now_ns, double ms, double cpu_ms)
{
	struct loop_busy *b = &watch.busy;

	if (now_ns - watch.minute_ns >= MINUTE_NS) {
		b->recent_ms = watch.minute_ms;
		b->recent_cpu_ms = watch.minute_cpu_ms;
		watch.minute_ms = watch.minute_cpu_ms = 0;
		watch.minute_ns = now_ns;
		watch.whole_minute = true;
	}
	watch.minute_ms = ms > watch.minute_ms ? ms : watch.minute_ms;
	watch.minute_cpu_ms = cpu_ms > watch.minute_cpu_ms ? cpu_ms : watch.minute_cpu_ms;
	if (!watch.whole_minute) {
		b->recent_ms = watch.minute_ms;
		b->recent_cpu_ms = watch.minute_cpu_ms;
	}
}

static void on_check(uv_check_t *check)
{
	struct loop_busy *b = &watch.busy;
	uint64_t now = uv_hrtime(), awake = awake_ns(now), cpu = thread_cpu_ns();
	double ms = (double)(awake - watch.awake_ns) / 1e6, cpu_ms = (double)(cpu - watch.cpu_ns) / 1e6;

	(void)check;
	end_part(awake);
	b->turns++;
	b->busy_ms += ms;
	b->over += ms > LOOP_LIMIT_MS;
	b->over_cpu += cpu_ms > LOOP_LIMIT_MS;
	if (ms > b->longest_ms) {
		b->longest_ms = ms;
		b->longest_utc_ms = loop_utc_ms();
		memcpy(b->at, watch.longest_tag, LOOP_TAG_MAX);
		if (ms <= LOOP_LIMIT_MS)
			b->at[0] = '\0';
	}
	if (cpu_ms > b->longest_cpu_ms)
		b->longest_cpu_ms = cpu_ms;
	count_minute(now, ms, cpu_ms);
	watch.tag[0] = watch.longest_tag[0] = '\0';
	watch.longest_part_ns = 0;
	watch.cpu_ns = cpu;
	watch.awake_ns = awake;
}

static void begin(void)
{
	watch.minute_ns = uv_hrtime();
	watch.awake_ns = watch.part_ns = awake_ns(watch.minute_ns);
	watch.cpu_ns = thread_cpu_ns();
	watch.tag[0] = watch.longest_tag[0] = '\0';
	watch.longest_part_ns = 0;
}

static void on_first(uv_timer_t *timer)
{
	(void)timer;
	begin();
}

int loop_watch_start(uv_loop_t *loop)
{
	int rc;

	if (watch.running || watch.closing)
		return -EBUSY;
	rc = uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
	if (rc)
		return rc;
	memset(&watch, 0, sizeof(watch));
	uv_check_init(loop, &watch.check);
	uv_check_start(&watch.check, on_check);
	uv_unref((uv_handle_t *)&watch.check);
	uv_timer_init(loop, &watch.first);
	uv_timer_start(&watch.first, on_first, 0, 0);
	uv_unref((uv_handle_t *)&watch.first);
	begin();
	watch.running = true;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	(void)handle;
	watch.closing--;
}

void loop_watch_stop(void)
{
	if (!watch.running)
		return;
	watch.running = false;
	watch.closing = 2;
	uv_close((uv_handle_t *)&watch.check, on_closed);
	uv_close((uv_handle_t *)&watch.first, on_closed);
}

void loop_busy(struct loop_busy *out)
{
	*out = watch.busy;
}
