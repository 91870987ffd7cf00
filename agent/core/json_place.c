/* See json_place.h. One pass that counts brackets and keeps the keys on the way down; what it does not understand it steps over. */
#include "core/json_place.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16

struct level {
	bool array;
	int index;              /* of an array's element */
	const char *key;        /* of an object's member, NULL before the first */
	size_t key_len;
	size_t path_len;        /* of the path to this bracket */
};

struct walk {
	const char *text;
	size_t len, at;
	int depth;              /* brackets open, also those too deep to be kept */
	struct level level[DEPTH_MAX];
	bool key_next;          /* a string is a key here */
	char path[JSON_PATH_MAX];
};

static struct level *top(struct walk *w)
{
	return w->depth > 0 && w->depth <= DEPTH_MAX ? &w->level[w->depth - 1] : NULL;
}

/* The path of the value at the walk's place. A path that does not fit ends early. */
static const char *path_of(struct walk *w)
{
	const struct level *l = top(w);
	size_t n;

	if (!l)
		return w->depth ? w->path : "";
	n = l->path_len;
	if (l->array)
		snprintf(w->path + n, sizeof(w->path) - n, "[%d]", l->index);
	else if (l->key)
		snprintf(w->path + n, sizeof(w->path) - n, "%s%.*s", n ? "." : "", (int)l->key_len, l->key);
	else
		w->path[n] = '\0';
	return w->path;
}

/* Behind the closing quote, or the end. */
static size_t string_end(const struct walk *w, size_t at)
{
	for (at++; at < w->len && w->text[at] != '"'; at++)
		at += w->text[at] == '\\';
	return at < w->len ? at + 1 : w->len;
}

static void open_bracket(struct walk *w, bool array)
{
	size_t n = strlen(path_of(w));

	if (++w->depth <= DEPTH_MAX)
		w->level[w->depth - 1] = (struct level){ .array = array, .path_len = n };
	w->key_next = !array;
}

static void close_bracket(struct walk *w)
{
	if (w->depth > 0)
		w->depth--;
	w->key_next = false;
}

static void comma(struct walk *w)
{
	struct level *l = top(w);

	if (l)
		l->index++;
	w->key_next = l && !l->array;
}

/* One token on; true when it began a value, whose path is path_of() before anything else is stepped over: @begin. */
static bool step(struct walk *w, size_t *begin)
{
	const char c = w->text[w->at];
	struct level *l = top(w);
	bool value = false;
	size_t end = w->at + 1;

	*begin = w->at;
	if (c == '"') {
		end = string_end(w, w->at);
		value = !w->key_next;
		if (w->key_next && l) {
			l->key = w->text + w->at + 1;
			l->key_len = end - w->at - 2 + (end == w->len && w->text[end - 1] != '"');
		}
		w->key_next = false;
	} else if (isalnum((unsigned char)c) || c == '-' || c == '+' || c == '.') {
		while (end < w->len && (isalnum((unsigned char)w->text[end]) || strchr("+-.", w->text[end])))
			end++;
		value = true;
	} else if (c == '{' || c == '[') {
		value = true; /* opened by the caller, which may want the path first */
	} else if (c == '}' || c == ']') {
		close_bracket(w);
	} else if (c == ',') {
		comma(w);
	}
	w->at = end;
	return value;
}

static void place(const struct walk *w, size_t at, const char *path, struct json_place *out)
{
	size_t n = 0;

	*out = (struct json_place){ .line = 1, .column = 1 };
	for (size_t i = 0; i < at; i++) {
		out->column = w->text[i] == '\n' ? 1 : out->column + 1;
		out->line += w->text[i] == '\n';
	}
	snprintf(out->path, sizeof(out->path), "%s", path);
	for (; at + n < w->len && n < JSON_TOKEN_MAX - 1 && (isalnum((unsigned char)w->text[at + n]) || strchr("+-.", w->text[at + n])) && w->text[at + n]; n++)
		out->token[n] = w->text[at + n];
}

void json_place_at(const char *text, size_t len, size_t offset, struct json_place *out)
{
	struct walk w = { .text = text, .len = len };
	char path[JSON_PATH_MAX] = "";
	size_t begin;

	if (offset > len)
		offset = len;
	while (w.at < offset) {
		const bool value = step(&w, &begin);

		if (value && (text[begin] == '{' || text[begin] == '['))
			open_bracket(&w, text[begin] == '[');
		else if (value && w.at > offset)
			break; /* in the middle of it */
	}
	snprintf(path, sizeof(path), "%s", path_of(&w));
	place(&w, offset, path, out);
}

/* How much of @path a value at @found answers: all (its length), a part that ends at a key, or 0. */
static size_t answered(const char *path, const char *found)
{
	const size_t n = strlen(found);

	return n && strncmp(path, found, n) == 0 && (path[n] == '\0' || path[n] == '.' || path[n] == '[') ? n : 0;
}

bool json_place_find(const char *text, size_t len, const char *path, struct json_place *out)
{
	struct walk w = { .text = text, .len = len };
	size_t begin, best = 0, best_at = 0;
	char kept[JSON_PATH_MAX] = "";

	while (w.at < len && best < strlen(path)) {
		size_t n = 0;

		if (!step(&w, &begin))
			continue;
		n = answered(path, path_of(&w));
		if (n > best) {
			best = n;
			best_at = begin;
			snprintf(kept, sizeof(kept), "%s", path_of(&w));
		}
		if (text[begin] == '{' || text[begin] == '[')
			open_bracket(&w, text[begin] == '[');
	}
	if (best)
		place(&w, best_at, kept, out);
	return best > 0;
}
