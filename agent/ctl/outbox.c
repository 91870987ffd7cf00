/* hearthctl outbox: what is owed to the cloud, by class, and what it refused with its reasons. */
#include "core/calendar.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define AGE_MAX 24

/* In the order they are sent. What is of no other class is OTHER. */
enum { STATUS, PARTICIPATION, OTHER, TELEMETRY, CLASSES };

static const char *const NAMES[CLASSES] = { "command_status", "participation", "other", "telemetry" };

struct count {
	double waiting, refused;
	int64_t oldest_utc_ms; /* of those that wait; 0 = not said */
};

static double number(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static const char *text_of(const cJSON *o, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

	return text ? text : "";
}

/* "45 s", "12 min", "3 h 20 min", "5 days" */
static const char *age(double seconds, char out[AGE_MAX])
{
	long s = seconds > 0 ? (long)seconds : 0;

	if (s < 120)
		snprintf(out, AGE_MAX, "%ld s", s);
	else if (s < 7200)
		snprintf(out, AGE_MAX, "%ld min", s / 60);
	else if (s < 2 * 86400)
		snprintf(out, AGE_MAX, "%ld h %ld min", s / 3600, s / 60 % 60);
	else
		snprintf(out, AGE_MAX, "%ld days", s / 86400);
	return out;
}

static int class_of(const cJSON *row)
{
	for (int c = 0; c < CLASSES; c++)
		if (c != OTHER && !strcmp(text_of(row, "kind"), NAMES[c]))
			return c;
	return OTHER;
}

static bool refused(const cJSON *row)
{
	return !strcmp(text_of(row, "state"), "quarantined");
}

/* Rows of the list are promises; what waits but is not listed any more, for there are too many, comes last in it. */
static void count_rows(const cJSON *outbox, struct count counts[CLASSES])
{
	const cJSON *telemetry = cJSON_GetObjectItemCaseSensitive(outbox, "telemetry"), *row;
	double listed = 0;

	cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(outbox, "list")) {
		struct count *k = &counts[class_of(row)];
		int64_t at = 0;

		if (refused(row)) {
			k->refused++;
			continue;
		}
		k->waiting++;
		listed++;
		if (calendar_parse(text_of(row, "at"), &at) == 0 && (!k->oldest_utc_ms || at < k->oldest_utc_ms))
			k->oldest_utc_ms = at;
	}
	if (number(outbox, "promises") > listed)
		counts[OTHER].waiting += number(outbox, "promises") - listed;
	counts[TELEMETRY].waiting += number(telemetry, "rows");
	counts[TELEMETRY].refused += number(telemetry, "refused");
}

static void print_counts(const cJSON *outbox)
{
	static const char *const HEADERS[] = { "class", "waiting", "refused", "oldest", "thinned", "lost" };
	const cJSON *telemetry = cJSON_GetObjectItemCaseSensitive(outbox, "telemetry");
	struct count counts[CLASSES] = { { 0, 0, 0 } };
	struct table *t = table_new(HEADERS, 6);
	char waiting[24], not_taken[24], oldest[AGE_MAX];

	count_rows(outbox, counts);
	for (int c = 0; c < CLASSES; c++) {
		const struct count *k = &counts[c];

		if (k->waiting + k->refused == 0 && (c != TELEMETRY || !telemetry))
			continue;
		snprintf(waiting, sizeof(waiting), "%.0f", k->waiting);
		snprintf(not_taken, sizeof(not_taken), "%.0f", k->refused);
		table_row(t, NAMES[c], waiting, not_taken,
			  k->oldest_utc_ms ? age((double)time(NULL) - (double)k->oldest_utc_ms / 1000, oldest) : "-",
			  c == TELEMETRY && telemetry ? show(telemetry, "thinned_total", 0, "") : "-",
			  c == TELEMETRY && telemetry ? show(telemetry, "dropped_total", 0, "") : "-");
	}
	table_print(t);
}

/* What the cloud will not take as it is, and why. */
static void print_refused(const cJSON *outbox)
{
	static const char *const HEADERS[] = { "refused", "class", "made", "tries", "reason" };
	const cJSON *telemetry = cJSON_GetObjectItemCaseSensitive(outbox, "telemetry"), *row;
	struct table *t = table_new(HEADERS, 5);
	bool any = false;
	char points[40];

	cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(outbox, "list"))
		if (refused(row)) {
			table_row(t, show_word(row, "message_id"), show_word(row, "kind"), show_time(row, "at"), show_word(row, "tries"),
				  text_of(row, "reason")[0] ? text_of(row, "reason") : "not said");
			any = true;
		}
	if (number(telemetry, "refused") > 0) {
		snprintf(points, sizeof(points), "%.0f points", number(telemetry, "refused"));
		table_row(t, points, NAMES[TELEMETRY], "-", "-",
			  text_of(telemetry, "refused_reason")[0] ? text_of(telemetry, "refused_reason") : "not said");
		any = true;
	}
	if (any) {
		putchar('\n');
		table_print(t);
		puts("kept until they are taken: hearthctl outbox retry sends them again");
	} else {
		table_free(t);
	}
}

static void print_outbox(const cJSON *o)
{
	bool down = !strcmp(show_word(o, "link"), "down");
	double rows = number(o, "rows");
	char oldest[AGE_MAX];

	printf("link %s; ", show_word(o, "link"));
	if (rows > 0)
		printf("%.0f row%s, the oldest for %s", rows, rows == 1 ? " waits" : "s wait", age(number(o, "oldest_s"), oldest));
	else
		fputs("nothing waits", stdout);
	printf("; %s taken, %s tries failed, %s refused; %.1f MiB written to disk today\n", show(o, "sent_total", 0, ""),
	       show(o, "failed_total", 0, ""), show(o, "quarantined", 0, ""), number(o, "bytes_written_today") / (1 << 20));
	if (down && rows > 0)
		puts("nothing is lost: rows go when the link is back (why it is down: hearthctl status)");
	print_counts(o);
	print_refused(o);
}

static int retry(struct ctl *c)
{
	int code;
	char done[64] = "nothing waits";
	AUTO_JSON *data = ctl_request(c, "outbox.retry", NULL, &code);

	if (!data)
		return code;
	if (number(data, "rows") > 0)
		snprintf(done, sizeof(done), "%.0f row%s due again", number(data, "rows"), number(data, "rows") == 1 ? " is" : "s are");
	if (c->json)
		ctl_print_done(data, "outbox.retry", NULL, done);
	else
		puts(done);
	return CTL_DONE;
}

int ctl_outbox(struct ctl *c)
{
	int code;
	AUTO_JSON *o = NULL;

	if (c->argc == 1 && !strcmp(c->argv[0], "retry"))
		return retry(c);
	if (c->argc != 0)
		return ctl_usage_of(c, c->argv[!strcmp(c->argv[0], "retry")]);
	o = ctl_state(c, "outbox", &code);
	if (!o)
		return code;
	if (c->json)
		ctl_print_json(o);
	else
		print_outbox(o);
	return CTL_DONE;
}
