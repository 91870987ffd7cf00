/* See config.h. libinih does the parsing, fed line by line by our own reader: it hands no line numbers to its handler, cuts
 * lines and names, swallows indented keys as continuations and takes ':' for '='. So the reader counts, and refuses all
 * of that before libinih sees it (a refused line is handed on as an empty one). What single values cannot show is
 * checked in config_check.c. */
#include "core/config_table.h"

#include "core/json.h"
#include "core/nearest.h"

#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 199 /* libinih's buffer is 200 */
#define NAME_MAX_BYTES 49  /* libinih cuts names at 50 */

int config_instance(int section, int i)
{
	if (section == CS_BUS)
		return CONFIG_SECTIONS + i;
	if (section == CS_DEVICE)
		return CONFIG_SECTIONS + CONFIG_BUS_MAX + i;
	return section;
}

int config_row_index(int section, const char *key)
{
	for (int i = 0; i < CONFIG_TABLE[section].n_rows; i++)
		if (!strcmp(CONFIG_TABLE[section].rows[i].key, key))
			return i;
	return -1;
}

void config_error(struct config_parse *p, struct config_origin at, int section, const char *name, const char *key,
		  const char *fmt, ...)
{
	struct config_errors *e = p->errors;
	char text[sizeof(e->text[0])];
	size_t n;
	va_list ap;
	int i;

	n = (size_t)snprintf(text, sizeof(text), "%.120s:%d: ", p->n_files ? p->files[at.file].path : "(no file)", at.line);
	if (section >= 0)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "[%s%s%.32s] ", CONFIG_TABLE[section].name,
				      name && name[0] ? " " : "", name ? name : "");
	if (key && key[0])
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.49s: ", key);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);

	if (e->n++ >= CONFIG_ERRORS_MAX)
		return;
	/* kept in the order of the files, although cross checks come last */
	for (i = e->n - 1; i > 0; i--) {
		const struct config_origin *b = &p->error_at[i - 1];

		if (b->file < at.file || (b->file == at.file && b->line <= at.line))
			break;
		memcpy(e->text[i], e->text[i - 1], sizeof(e->text[0]));
		p->error_at[i] = *b;
	}
	memcpy(e->text[i], text, sizeof(text));
	p->error_at[i] = at;
}

static const char *instance_name(const struct config_parse *p, int section, int i)
{
	if (section == CS_BUS)
		return p->c->bus[i].name;
	return section == CS_DEVICE ? p->c->device[i].id : "";
}

/* The error at the line the reader is in. */
#define HERE(p) ((struct config_origin){ (p)->file, (p)->line })
#define LINE_ERROR(p, key, ...)                                                                                             \
	config_error(p, HERE(p), (p)->section, (p)->section >= 0 ? instance_name(p, (p)->section, (p)->index) : "", key,    \
		     __VA_ARGS__)

static void defaults_set(void *base, const struct config_section *s)
{
	for (int i = 0; i < s->n_rows; i++) {
		const struct config_row *row = &s->rows[i];

		if (!row->fallback)
			continue;
		if (row->type == CT_NUMBER && !row->fallback[0])
			*(double *)((char *)base + row->offset) = NAN;
		else
			config_value_set(row, base, row->fallback, NULL);
	}
}

/* Index of a named section's struct, made when it is new; -1 when there is no room. */
static int named_find(struct config_parse *p, int section, const char *name)
{
	struct config *c = p->c;
	int *n = section == CS_BUS ? &c->n_buses : &c->n_devices;
	const int max = section == CS_BUS ? CONFIG_BUS_MAX : DEVICE_MAX;

	for (int i = 0; i < *n; i++)
		if (!strcmp(instance_name(p, section, i), name))
			return i;
	if (*n == max) {
		config_error(p, HERE(p), section, name, "", "one too many, allowed: at most %d", max);
		return -1;
	}
	defaults_set(config_base(c, section, *n), &CONFIG_TABLE[section]);
	snprintf(section == CS_BUS ? c->bus[*n].name : c->device[*n].id, DEVICE_ID_MAX, "%s", name);
	return (*n)++;
}

static void section_unknown(struct config_parse *p, const char *word, const char *name)
{
	const char *space = *name ? " " : "";
	struct nearest near;

	nearest_start(&near, word);
	for (int i = 0; i < CONFIG_SECTIONS; i++)
		nearest_offer(&near, CONFIG_TABLE[i].name);
	if (near.best[0])
		config_error(p, HERE(p), -1, "", "", "[%.49s%s%.32s]: unknown section, did you mean [%s%s%.32s]?", word,
			     space, name, near.best, space, name);
	else
		config_error(p, HERE(p), -1, "", "",
			     "[%.49s%s%.32s]: unknown section, allowed: site, mqtt, bus NAME, device NAME, flip, flatpeak, "
			     "tariff, plan, "
			     "outbox",
			     word, space, name);
	p->bus_refused |= !strcmp(near.best, "bus");
}

static void section_enter(struct config_parse *p, char *text)
{
	char *name = text + strcspn(text, " \t");
	int section, i = 0;

	if (*name) {
		*name++ = '\0';
		name += strspn(name, " \t");
	}
	p->section = -1;
	for (section = 0; section < CONFIG_SECTIONS; section++)
		if (!strcmp(CONFIG_TABLE[section].name, text))
			break;
	if (section == CONFIG_SECTIONS) {
		section_unknown(p, text, name);
		return;
	}
	if (!CONFIG_TABLE[section].named && *name) {
		config_error(p, HERE(p), section, "", "", "takes no name, allowed: [%s]", text);
		return;
	}
	if (CONFIG_TABLE[section].named) {
		if (!config_id_valid(name)) {
			config_error(p, HERE(p), section, "", "", "%s%.40s%s, allowed: [%s NAME] with 1 to 32 of a-z 0-9 -",
				     *name ? "'" : "", *name ? name : "the name is missing", *name ? "' is not a name" : "",
				     text);
			p->bus_refused |= section == CS_BUS;
			return;
		}
		i = named_find(p, section, name);
		if (i < 0) {
			p->bus_refused |= section == CS_BUS;
			return;
		}
	}
	p->section = section;
	p->index = i;
	if (p->section_at[config_instance(section, i)].line == 0)
		p->section_at[config_instance(section, i)] = HERE(p);
}

/* A key whose line was refused is neither missing nor to be checked further. */
static void key_refused(struct config_parse *p, const char *key)
{
	const int row = p->section >= 0 ? config_row_index(p->section, key) : -1;

	if (row < 0)
		return;
	p->key_at[config_instance(p->section, p->index)][row] = HERE(p);
	p->key_bad[config_instance(p->section, p->index)][row] = true;
}

/* Copies the key of a line for messages, "" when none can be seen. */
static void key_of_line(const char *line, size_t n, char *out, size_t size)
{
	const char *end = memchr(line, '=', n);

	if (!end)
		end = memchr(line, ':', n);
	if (!end)
		end = line;
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	snprintf(out, size, "%.*s", (int)((size_t)(end - line) < size ? (size_t)(end - line) : size - 1), line);
}

static bool line_printable(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
			return false;
	return json_utf8(line, n);
}

static void line_refused(struct config_parse *p, const char *line, size_t n, const char *why)
{
	char key[NAME_MAX_BYTES + 1];

	while (n && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	key_of_line(line, n, key, sizeof(key));
	if (!line_printable(key, strlen(key)))
		key[0] = '\0';
	LINE_ERROR(p, line[0] == '[' ? "" : key, "%s", why);
	key_refused(p, key);
	if (n && line[0] == '[')
		p->section = -1; /* its keys would land in the section before */
}

/* Length without the comment that ';' starts, at the beginning or behind a space, and without trailing space. */
static size_t comment_cut(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (line[i] == ';' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
			n = i;
			break;
		}
	}
	while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	return n;
}

/* One raw line to what libinih may see in @out ("" = nothing). */
static void line_read(struct config_parse *p, const char *raw, size_t n, char out[LINE_MAX_BYTES + 1])
{
	char why[160], *equals, *colon;
	const size_t blank = n ? strspn(raw, " \t") : 0; /* the caller's copy ends in NUL */

	out[0] = '\0';
	if (blank >= n || raw[blank] == ';' || raw[blank] == '#')
		return;
	if (n > LINE_MAX_BYTES) {
		snprintf(why, sizeof(why), "the line is %zu bytes long, allowed: at most %d", n, LINE_MAX_BYTES);
		line_refused(p, raw, LINE_MAX_BYTES, why);
		return;
	}
	if (!line_printable(raw, n)) {
		line_refused(p, raw, n, "the line holds bytes that are not text, allowed: UTF-8");
		return;
	}
	if (blank) {
		line_refused(p, raw, n, "the line is indented, allowed: keys and sections at the very beginning of a line");
		return;
	}
	n = comment_cut(raw, n);
	memcpy(out, raw, n);
	out[n] = '\0';
	if (out[0] == '[') {
		char name[LINE_MAX_BYTES + 1];

		if (n < 2 || out[n - 1] != ']' || strchr(out, ']') != out + n - 1 || n - 2 > NAME_MAX_BYTES) {
			line_refused(p, raw, n, "not a section, allowed: [NAME] of at most 49 bytes and nothing behind it");
			out[0] = '\0';
			return;
		}
		snprintf(name, sizeof(name), "%.*s", (int)n - 2, out + 1);
		section_enter(p, name);
		return;
	}
	equals = strchr(out, '=');
	colon = strchr(out, ':');
	if (!equals || (colon && colon < equals)) {
		line_refused(p, raw, n,
			     colon ? "':' does not end a key, allowed: key = value"
				   : "no '=' in the line, allowed: key = value");
		out[0] = '\0';
	} else if (equals == out) {
		line_refused(p, raw, n, "no key before '=', allowed: key = value");
		out[0] = '\0';
	} else if (comment_cut(out, (size_t)(equals - out)) > NAME_MAX_BYTES) {
		line_refused(p, raw, n, "the key is longer than 49 bytes");
		out[0] = '\0';
	}
}

/* libinih's fgets. */
static char *reader(char *out, int size, void *stream)
{
	struct config_parse *p = stream;
	const struct config_file *f = &p->files[p->file];
	char copy[LINE_MAX_BYTES + 2], clean[LINE_MAX_BYTES + 1];
	const char *line = f->text + p->at, *end;
	size_t n;

	if (p->at >= f->len)
		return NULL;
	p->line++;
	end = memchr(line, '\n', f->len - p->at);
	n = end ? (size_t)(end - line) : f->len - p->at;
	p->at += n + 1;
	if (p->line == 1 && n >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3;
		n -= 3;
	}
	if (n && line[n - 1] == '\r')
		n--;
	/* a bounded copy with an end; n still tells the true length */
	memcpy(copy, line, n < sizeof(copy) - 1 ? n : sizeof(copy) - 1);
	copy[n < sizeof(copy) - 1 ? n : sizeof(copy) - 1] = '\0';
	line_read(p, copy, n, clean);
	snprintf(out, (size_t)size, "%s", clean);
	return out;
}

/* What to do instead of writing a secret here; NULL when the key does not sound like one. */
static const char *secret_hint(int section, const char *key)
{
	static const struct {
		int section;
		const char *part, *hint;
	} HINTS[] = {
		{ CS_MQTT, "pass", "the credential mqtt-password, or a file of mode 0600 named by password_file" },
		{ CS_FLIP, "webhook", "the credential flip-webhook-key, or a file of mode 0600 named by webhook_key_file" },
		{ CS_FLIP, "portal", "the credential flip-portal" },
		{ CS_FLIP, "oauth", "the credential flip-oauth" },
		{ CS_FLIP, "secret", "the credential flip-oauth" },
		{ CS_FLIP, "", "the credential flip-token, or a file of mode 0600 named by token_file" },
		{ CS_FLATPEAK, "", "the credential flatpeak-api-key, or a file of mode 0600 named by api_key_file" },
		{ -1, "", "a systemd credential" },
	};
	static const char *const WORDS[] = { "password", "passwd",  "passphrase", "token",
					     "secret",   "api_key", "apikey",     "webhook_key" };
	size_t i;

	for (i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
		if (strstr(key, WORDS[i]))
			break;
	if (i == sizeof(WORDS) / sizeof(WORDS[0]))
		return NULL;
	for (i = 0; HINTS[i].section >= 0; i++)
		if (HINTS[i].section == section && strstr(key, HINTS[i].part))
			break;
	return HINTS[i].hint;
}

static void key_unknown(struct config_parse *p, const char *key)
{
	const char *hint = secret_hint(p->section, key);
	struct nearest near;

	nearest_start(&near, key);
	for (int i = 0; i < CONFIG_TABLE[p->section].n_rows; i++)
		nearest_offer(&near, CONFIG_TABLE[p->section].rows[i].key);
	if (hint && strlen(key) + 2 < sizeof(near.best) && (!near.best[0] || !strstr(key, "file"))) {
		LINE_ERROR(p, key, "secrets never stand in this file, allowed: %s", hint);
		return;
	}
	if (near.best[0]) {
		LINE_ERROR(p, key, "unknown key, did you mean %s?", near.best);
		return;
	}
	for (int s = 0; s < CONFIG_SECTIONS; s++) {
		if (config_row_index(s, key) >= 0) {
			LINE_ERROR(p, key, "unknown key here, it belongs into [%s%s]", CONFIG_TABLE[s].name,
				   CONFIG_TABLE[s].named ? " NAME" : "");
			return;
		}
	}
	LINE_ERROR(p, key, "unknown key, see `hearthctl config show` for all of [%s]", CONFIG_TABLE[p->section].name);
}

/* libinih's handler; its own section name is not looked at, the reader knows it better. */
static int handler(void *user, const char *section, const char *key, const char *value)
{
	struct config_parse *p = user;
	const int instance = p->section >= 0 ? config_instance(p->section, p->index) : 0;
	struct errbuf why = { 0 };
	struct config_origin *at;
	int row;

	if (p->section < 0) {
		if (!section[0])
			config_error(p, HERE(p), -1, "", key,
				     "stands before the first section, allowed: [site] and others above it");
		return 1; /* of a refused section: said once, at its name */
	}
	row = config_row_index(p->section, key);
	if (row < 0) {
		key_unknown(p, key);
		return 1;
	}
	at = &p->key_at[instance][row];
	if (at->line && at->file == p->file)
		LINE_ERROR(p, key, "written twice in this file, first in line %d", at->line);
	else
		*at = HERE(p);
	p->key_bad[instance][row] = false;
	if (config_value_set(&CONFIG_TABLE[p->section].rows[row], config_base(p->c, p->section, p->index), value, &why) <
	    0) {
		LINE_ERROR(p, key, "%s", why.text);
		p->key_bad[instance][row] = true;
	}
	return 1;
}

/* A device that is switched off is checked like the others and then left out: nobody has to ask again. */
static void drop_disabled(struct config *c)
{
	int kept = 0;

	for (int i = 0; i < c->n_devices; i++)
		if (c->device[i].enabled)
			c->device[kept++] = c->device[i];
	c->n_devices = kept;
}

int config_parse_checked(const struct config_file *files, int n, const struct config_checks *checks, struct config *out,
			 struct config_errors *errors)
{
	static const struct config_checks NONE = { 0 };
	struct config_parse *p = calloc(1, sizeof(*p));
	struct config *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	errors->n = 0;
	if (p && c) {
		*p = (struct config_parse){
			.files = files, .n_files = n, .checks = checks ? checks : &NONE, .c = c, .errors = errors
		};
		for (int s = 0; s < CONFIG_SECTIONS; s++)
			if (!CONFIG_TABLE[s].named)
				defaults_set(config_base(c, s, 0), &CONFIG_TABLE[s]);
		for (p->file = 0; p->file < n; p->file++) {
			p->line = 0;
			p->at = 0;
			p->section = -1;
			ini_parse_stream(reader, p, handler, p);
		}
		c->tariff.set = p->section_at[CS_TARIFF].line != 0;
		config_check(p);
		r = errors->n ? -EINVAL : 0;
		if (r == 0) {
			drop_disabled(c);
			*out = *c;
		}
	}
	free(c);
	free(p);
	return r;
}

int config_parse(const struct config_file *files, int n, config_profile_roles_fn roles, void *context, struct config *out,
		 struct config_errors *errors)
{
	const struct config_checks checks = { .context = context, .profile_roles = roles };

	return config_parse_checked(files, n, &checks, out, errors);
}
