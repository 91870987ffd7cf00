/* See link.h. libmosquitto with its own short loop; nothing else runs meanwhile. */
#include "ctl/link.h"

#include "core/json.h"
#include "core/topic.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (8 * 1024 * 1024)
#define WORD_BYTES_MAX 64 /* "online" is not JSON */
#define FIND_S 0.6 /* retained status topics arrive at once; this is for slow machines */

struct link {
	struct mosquitto *m;
	struct link_options o;
	struct topic_root root;
	bool connected, subscribed, refused;
	int connect_reason;
	char sites[8][33], offline_site[33]; /* those that are online; one that is not */
	int n_sites;
	bool status_asked, status_seen, offline; /* R/status of our site: what the broker kept */
	char answer_topic[160], correlation[24];
	cJSON *answer;
	bool (*seen)(void *context, const char *below, const cJSON *payload);
	void *context;
	bool enough;
};

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_connect(struct mosquitto *m, void *user, int reason, int flags, const mosquitto_property *p)
{
	struct link *l = user;

	(void)m;
	(void)flags;
	(void)p;
	l->connect_reason = reason;
	l->connected = reason == 0;
}

static void on_subscribe(struct mosquitto *m, void *user, int mid, int n, const int *granted, const mosquitto_property *p)
{
	struct link *l = user;

	(void)m;
	(void)mid;
	(void)p;
	for (int i = 0; i < n; i++)
		l->refused = l->refused || granted[i] >= 128;
	l->subscribed = true;
}

static void on_publish(struct mosquitto *m, void *user, int mid, int reason, const mosquitto_property *p)
{
	struct link *l = user;

	(void)m;
	(void)mid;
	(void)p;
	if (reason >= 128)
		l->refused = true;
}

static bool says(const struct mosquitto_message *msg, const char *word)
{
	return msg->payloadlen == (int)strlen(word) && !memcmp(msg->payload, word, strlen(word));
}

/* The last word of a site counts: one may come or go while we look. */
static void note_site(struct link *l, const struct mosquitto_message *msg)
{
	size_t root = strlen(l->o.root), len = strlen(msg->topic);
	size_t n = len - root - 1 - strlen("/status");
	char site[sizeof(l->sites[0])] = "";
	int i;

	if (n == 0 || n >= sizeof(site))
		return;
	memcpy(site, msg->topic + root + 1, n);
	for (i = 0; i < l->n_sites && strcmp(l->sites[i], site) != 0; i++)
		;
	if (says(msg, "online")) {
		if (i < 8)
			memcpy(l->sites[i], site, sizeof(site));
		if (i == l->n_sites && i < 8)
			l->n_sites++;
		return;
	}
	if (i < l->n_sites)
		memmove(l->sites[i], l->sites[--l->n_sites], sizeof(site));
	if (says(msg, "offline"))
		memcpy(l->offline_site, site, sizeof(site));
}

static void on_message(struct mosquitto *m, void *user, const struct mosquitto_message *msg, const mosquitto_property *p)
{
	struct link *l = user;
	const char *below;
	AUTO_JSON *payload = NULL;

	(void)m;
	if (!l->root.text[0]) {
		note_site(l, msg);
		return;
	}
	if (msg->payloadlen)
		payload = json_parse(msg->payload, (size_t)msg->payloadlen, ANSWER_BYTES_MAX, 32, NULL);
	if (l->answer_topic[0] && !strcmp(msg->topic, l->answer_topic)) {
		void *data = NULL;
		uint16_t len = 0;

		mosquitto_property_read_binary(p, MQTT_PROP_CORRELATION_DATA, &data, &len, false);
		if (!l->answer && payload && data && len == strlen(l->correlation) && !memcmp(data, l->correlation, len)) {
			l->answer = payload;
			payload = NULL;
		}
		free(data);
		return;
	}
	if (!payload && msg->payloadlen > 0 && msg->payloadlen < WORD_BYTES_MAX) {
		char word[WORD_BYTES_MAX] = "";

		memcpy(word, msg->payload, (size_t)msg->payloadlen);
		payload = cJSON_CreateString(word);
	}
	below = topic_below(&l->root, msg->topic);
	if (below && !l->status_seen && !strcmp(below, "status")) {
		l->status_seen = true;
		l->offline = says(msg, "offline");
	}
	if (below && l->seen && !l->enough && !l->seen(l->context, below, payload))
		l->enough = true;
}

/* Runs the client until *done or the time is over; false when the connection broke. */
static bool run_until(struct link *l, const bool *done, double seconds)
{
	double end = seconds_now() + seconds;

	while (!*done && (seconds == 0 || seconds_now() < end))
		if (mosquitto_loop(l->m, 50, 1) != MOSQ_ERR_SUCCESS)
			return false;
	return true;
}

static int read_password(const char *path, char *out, size_t size, struct errbuf *err)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return errbuf_set(err, -EACCES, "password file %s: %s", path, strerror(errno));
	if (!fgets(out, (int)size, f))
		out[0] = '\0';
	fclose(f);
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

static int subscribe(struct link *l, const char *filter, struct errbuf *err)
{
	l->subscribed = l->refused = false;
	mosquitto_subscribe_v5(l->m, NULL, filter, 1, MQTT_SUB_OPT_RETAIN_AS_PUBLISHED, NULL);
	if (!run_until(l, &l->subscribed, l->o.timeout_s) || !l->subscribed)
		return errbuf_set(err, -ENOTCONN, "the broker did not confirm the subscription to %s", filter);
	if (l->refused)
		return errbuf_set(err, -EACCES, "the broker refused the subscription to %s", filter);
	return 0;
}

static int site_offline(const char *site, struct errbuf *err)
{
	return errbuf_set(err, -ENOTCONN, "site %s is offline (its agent is not running)", site);
}

static int find_site(struct link *l, struct errbuf *err)
{
	char filter[160];
	bool never = false;
	int r;

	if (!l->o.site[0]) {
		snprintf(filter, sizeof(filter), "%s/+/status", l->o.root);
		r = subscribe(l, filter, err);
		if (r < 0)
			return r;
		run_until(l, &never, FIND_S);
		mosquitto_unsubscribe(l->m, NULL, filter);
		if (l->n_sites > 1)
			return errbuf_set(err, -EINVAL, "%d sites are online (%s, %s%s): choose one with --site", l->n_sites, l->sites[0],
					  l->sites[1], l->n_sites > 2 ? ", ..." : "");
		if (l->n_sites == 0 && l->offline_site[0])
			return site_offline(l->offline_site, err);
		if (l->n_sites == 0)
			return errbuf_set(err, -ENOTCONN, "no agent answers below %s on %s:%d", l->o.root, l->o.host, l->o.port);
		memcpy(l->o.site, l->sites[0], sizeof(l->o.site));
	}
	topic_root_set(&l->root, l->o.root, l->o.site);
	return 0;
}

int link_open(struct link **out, const struct link_options *o, struct errbuf *err)
{
	struct link *l = calloc(1, sizeof(*l));
	char password[256] = "", id[40];
	int r = 0;

	if (!l)
		return -ENOMEM;
	*out = l;
	l->o = *o;
	mosquitto_lib_init();
	snprintf(id, sizeof(id), "hearthctl-%d", (int)getpid());
	l->m = mosquitto_new(id, true, l);
	if (!l->m)
		return errbuf_set(err, -ENOMEM, "no memory for the MQTT client");
	mosquitto_int_option(l->m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
	mosquitto_connect_v5_callback_set(l->m, on_connect);
	mosquitto_subscribe_v5_callback_set(l->m, on_subscribe);
	mosquitto_publish_v5_callback_set(l->m, on_publish);
	mosquitto_message_v5_callback_set(l->m, on_message);
	if (o->password_file[0])
		r = read_password(o->password_file, password, sizeof(password), err);
	if (r < 0)
		return r;
	if (o->username[0])
		mosquitto_username_pw_set(l->m, o->username, password[0] ? password : NULL);
	r = mosquitto_connect_bind_v5(l->m, o->host, o->host[0] == '/' ? 0 : o->port, 30, NULL, NULL);
	if (r != MOSQ_ERR_SUCCESS)
		return errbuf_set(err, -ENOTCONN, "no broker at %s:%d: %s", o->host, o->port,
				  r == MOSQ_ERR_EAI ? gai_strerror(errno) : r == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(r));
	if (!run_until(l, &l->connected, o->timeout_s) || !l->connected)
		return errbuf_set(err, -ENOTCONN, "the broker at %s:%d does not let us in: %s", o->host, o->port,
				  l->connect_reason ? mosquitto_reason_string(l->connect_reason) : "no answer");
	return find_site(l, err);
}

const char *link_site(const struct link *l)
{
	return l->o.site;
}

/* The hub's own tools use the bare topics; everybody else the topics of their name, which the broker's ACL guards. */
static bool is_hub_tool(const char *username)
{
	return !username[0] || !strcmp(username, "hearth") || !strcmp(username, "hearthctl");
}

/* Asks for R/status before the first request: what the broker kept of it comes at once, mostly before the next confirmation. A
 * user who may not read it learns by the time-out. */
static int ask_status(struct link *l, struct errbuf *err)
{
	char topic[160];
	int r;

	if (l->status_asked)
		return 0;
	l->status_asked = true;
	r = subscribe(l, topic_make(&l->root, topic, sizeof(topic), "status"), err);
	return r == -EACCES ? 0 : r;
}

int link_request(struct link *l, const char *verb, const cJSON *args, cJSON **answer, struct errbuf *err)
{
	mosquitto_property *p = NULL;
	AUTO_TEXT *text = cJSON_PrintUnformatted(args);
	char topic[160];
	double end;
	int r;

	if (is_hub_tool(l->o.username)) {
		topic_make(&l->root, topic, sizeof(topic), "request/%s", verb);
		topic_make(&l->root, l->answer_topic, sizeof(l->answer_topic), "response/hearthctl-%d", (int)getpid());
	} else {
		topic_make(&l->root, topic, sizeof(topic), "as/%s/request/%s", l->o.username, verb);
		topic_make(&l->root, l->answer_topic, sizeof(l->answer_topic), "as/%s/response/%s", l->o.username, verb);
	}
	r = ask_status(l, err);
	if (r == 0)
		r = subscribe(l, l->answer_topic, err);
	if (r < 0)
		return r;
	if (l->offline)
		return site_offline(l->o.site, err);
	snprintf(l->correlation, sizeof(l->correlation), "%d.%ld", (int)getpid(), (long)(seconds_now() * 1000));
	mosquitto_property_add_string(&p, MQTT_PROP_RESPONSE_TOPIC, l->answer_topic);
	mosquitto_property_add_binary(&p, MQTT_PROP_CORRELATION_DATA, l->correlation, (uint16_t)strlen(l->correlation));
	mosquitto_property_add_int32(&p, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, (uint32_t)l->o.timeout_s + 1);
	l->refused = false;
	mosquitto_publish_v5(l->m, NULL, topic, (int)strlen(text), text, 1, false, p);
	mosquitto_property_free_all(&p);
	end = seconds_now() + l->o.timeout_s;
	while (!l->answer && !l->refused && !l->offline && seconds_now() < end)
		if (mosquitto_loop(l->m, 50, 1) != MOSQ_ERR_SUCCESS)
			return errbuf_set(err, -ENOTCONN, "the connection to the broker broke");
	if (l->refused)
		return errbuf_set(err, -EACCES, "refused: the broker does not let '%s' publish to %s", l->o.username, topic);
	if (!l->answer && l->offline)
		return site_offline(l->o.site, err);
	if (!l->answer)
		return errbuf_set(err, -ETIMEDOUT, "the agent of site %s did not answer within %g s", l->o.site, l->o.timeout_s);
	*answer = l->answer;
	l->answer = NULL;
	return 0;
}

int link_watch(struct link *l, const char *const *filters, bool (*seen)(void *context, const char *below, const cJSON *payload),
	       void *context, double seconds, struct errbuf *err)
{
	char topic[160];
	int r = 0;

	l->seen = seen;
	l->context = context;
	l->enough = false;
	for (; *filters && r == 0; filters++)
		r = subscribe(l, topic_make(&l->root, topic, sizeof(topic), "%s", *filters), err);
	if (r < 0)
		return r;
	if (!run_until(l, &l->enough, seconds))
		return errbuf_set(err, -ENOTCONN, "the connection to the broker broke");
	return 0;
}

void link_close(struct link *l)
{
	if (!l)
		return;
	if (l->m) {
		mosquitto_disconnect(l->m);
		mosquitto_loop(l->m, 0, 1);
		mosquitto_destroy(l->m);
	}
	cJSON_Delete(l->answer);
	mosquitto_lib_cleanup();
	free(l);
}
