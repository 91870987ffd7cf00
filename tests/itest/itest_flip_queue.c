/* The Flip link over a real broker and a real database: a signed command becomes an answer that leaves only when it was
 * acknowledged; mail that waited while the hub was away arrives once; a restart in the middle resumes the command. */
#include "mqtt_helper.h"

#include "flow/cloud/flip_link.h"
#include "io/crypto.h"
#include "io/loop.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

#define KEY "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static struct book book;
static struct store *store;
static struct outbox *box;
static struct flip_link *l;
static struct topic_root root;
static struct seen seen;         /* what the operator's cloud saw last */
static char answer[1024];        /* the last command_status */
static struct mqtt *cloud;
static char path[128];
static int n_changed;

static int devices(void *context, struct book_device *out, int max)
{
	(void)context;
	(void)max;
	out[0] = (struct book_device){ .flip_device_id = "bat-1", .battery = true, .reachable = true, .discharge_max_w = 5000 };
	return 1;
}

static bool clock_now(void *context, int64_t *now_ms, int64_t *utc_ms)
{
	(void)context;
	*now_ms = loop_now_ms();
	*utc_ms = loop_utc_ms();
	return true;
}

static void on_changed(void *context)
{
	(void)context;
	n_changed++;
}

static void on_cloud_message(void *context, const struct mqtt_message *m)
{
	message(context, m);
	if (strstr(m->topic, "flip/out/command_status"))
		snprintf(answer, sizeof(answer), "%.*s", (int)m->len, m->payload);
}

static void cloud_start(void)
{
	const struct mqtt_options o = { .host = "127.0.0.1", .port = broker.port, .clean_start = true };
	const struct mqtt_callbacks cb = { connected, disconnected, on_cloud_message, &seen };

	assert_int_equal(mqtt_open(&cloud, &loop, &o, &cb, NULL), 0);
	until_at_least(&seen.connected, 1, 5000);
	subscribe(cloud, &seen, "hearth/1/home/flip/out/#", 1);
}

static void hub_start(void)
{
	struct flip_link_options f = { .loop = &loop, .mode = LINK_QUEUE, .mqtt = { .host = "127.0.0.1", .port = broker.port },
				       .site_id = "home", .root = &root, .boot_id = "boot", .keys = { KEY }, .n_keys = 1, .book = &book,
				       .cb = { .devices = devices, .clock = clock_now, .changed = on_changed } };
	struct outbox_options o = { 0 };
	struct errbuf err = { "" };

	book_init(&book, 24);
	if (store_open(&store, &loop, path, &err) < 0)
		fail_msg("%s", err.text);
	o.store = f.store = store;
	assert_int_equal(outbox_open(&box, &o, &err), 0);
	f.outbox = box;
	if (flip_link_start(&l, &f, &err) < 0)
		fail_msg("%s", err.text);
}

static void hub_stop(void)
{
	flip_link_stop(l);
	store_close(store);
	outbox_close(box);
	run_ms(50);
}

static int rows(void)
{
	struct outbox_stats s;

	outbox_stats(box, loop_utc_ms(), &s);
	return s.rows;
}

static void post(const char *webhook_id, const char *id, int64_t starts_in_ms)
{
	struct flip_command c = { .event_id = "ev", .device_id = "bat-1", .mode = MODE_DISCHARGE, .power_mode = POWER_SETPOINT,
				  .setpoint_w = 1000, .reserve_pct = NAN, .grid_import = TRI_UNSET };
	struct mqtt_publish_extra x = { .n_user = 3, .user_name = { "webhook-id", "webhook-timestamp", "webhook-signature" } };
	const int64_t utc_ms = loop_utc_ms();
	AUTO_JSON *o = cJSON_CreateObject();
	AUTO_TEXT *body = NULL;
	char timestamp[24], signature[128];

	snprintf(c.id, sizeof(c.id), "%s", id);
	c.starts_utc_ms = utc_ms + starts_in_ms;
	c.ends_utc_ms = c.starts_utc_ms + 600000;
	c.created_utc_ms = c.updated_utc_ms = utc_ms;
	cJSON_AddStringToObject(o, "event_type", "command.created");
	cJSON_AddItemToObject(o, "event_object", flip_command_encode(&c));
	body = cJSON_PrintUnformatted(o);
	snprintf(timestamp, sizeof(timestamp), "%lld", (long long)(utc_ms / 1000));
	assert_int_equal(crypto_webhook_sign(KEY, webhook_id, timestamp, body, strlen(body), signature, sizeof(signature)), 0);
	x.user_value[0] = webhook_id;
	x.user_value[1] = timestamp;
	x.user_value[2] = signature;
	assert_int_equal(mqtt_publish(cloud, "hearth/1/home/flip/in", body, strlen(body), 1, false, &x), 0);
}

static void wait_for_answer(const char *id)
{
	char member[64];

	snprintf(member, sizeof(member), "\"id\":\"%s\"", id); /* the message_id is random hex: it may hold any short text */
	for (int i = 0; i < slow_ms(1000); i++) {
		if (strstr(answer, member))
			return;
		run_ms(10);
	}
	fail_msg("no answer for %s; last was %s", id, answer);
}

static void acknowledge(int status)
{
	AUTO_JSON *o = cJSON_Parse(answer);
	char id[64] = "", text[128];

	assert_int_equal(json_get_text(o, "message_id", id, sizeof(id), NULL), 1);
	snprintf(text, sizeof(text), "{\"message_id\":\"%s\",\"status\":%d}", id, status);
	assert_int_equal(mqtt_publish(cloud, "hearth/1/home/flip/ack", text, strlen(text), 1, false, NULL), 0);
}

static void test_queue(void **state)
{
	struct flip_link_stats st = { 0 };

	(void)state;
	topic_root_set(&root, "hearth/1", "home");
	snprintf(path, sizeof(path), "%s/state.db", broker.dir);
	cloud_start();
	hub_start();
	until_at_least(&seen.messages, 1, 5000);
	assert_string_equal(seen.topic, "hearth/1/home/flip/out/resync");

	post("m1", "c1", 3600000);
	wait_for_answer("c1");
	assert_int_equal(n_changed, 1);
	assert_int_equal(rows(), 1);
	run_ms(200);
	assert_int_equal(rows(), 1); /* the broker took it; that is no answer */
	acknowledge(200);
	for (int i = 0; i < slow_ms(1000) && rows() > 0; i++)
		run_ms(10);
	assert_int_equal(rows(), 0);

	hub_stop();
	post("m2", "c2", -1000); /* while the hub is away */
	settle(cloud, &seen);
	hub_start();
	assert_int_equal(book.n, 1);
	wait_for_answer("c2");
	flip_link_step(l);
	assert_string_equal(book_in_force(&book, 0, loop_utc_ms())->c.id, "c2");
	post("m2", "c9", 1000);
	for (int i = 0; i < slow_ms(1000) && st.duplicates == 0; i++) {
		run_ms(10);
		flip_link_stats(l, &st);
	}
	assert_null(book_find(&book, "c9"));

	answer[0] = '\0';
	hub_stop(); /* in the middle of c2, its answer not acknowledged */
	hub_start();
	wait_for_answer("c2");
	flip_link_step(l);
	assert_string_equal(book_in_force(&book, 0, loop_utc_ms())->c.id, "c2");
	acknowledge(422);
	for (int i = 0; i < slow_ms(1000) && rows() > 0; i++)
		run_ms(10);
	hub_stop();
	hub_start();
	{
		struct outbox_stats s;

		outbox_stats(box, loop_utc_ms(), &s);
		assert_int_equal(s.rows, 0);
		assert_int_equal(s.quarantined, 1);
	}
	hub_stop();
	mqtt_close(cloud);
	run_ms(100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_queue) };

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
