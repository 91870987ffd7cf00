/* hearthctl: what the terminal is like, and text made for it: lines that fit, characters it can show. */
#include "ctl/ctl.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_USUAL 80
#define WIDTH_LEAST 20

bool terminal_is(void)
{
	return isatty(STDOUT_FILENO);
}

int terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	int n = columns ? atoi(columns) : 0;

	if (n <= 0 && (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 || ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0))
		n = size.ws_col;
	return n <= 0 ? WIDTH_USUAL : n < WIDTH_LEAST ? WIDTH_LEAST : n;
}

/* no-color.org: set and not empty means plain. */
bool terminal_has_color(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return terminal_is() && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

/* Where nobody has said anything about the locale (a bare container, a serial console) the terminal is one of today. A locale that is
 * not installed here, as happens behind ssh, is believed its name. */
static bool terminal_has_utf8(void)
{
	static const char *const SAID[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	static int has = -1;
	const char *name = NULL;

	if (has >= 0)
		return has;
	for (size_t i = 0; i < sizeof(SAID) / sizeof(SAID[0]) && !(name && *name); i++)
		name = getenv(SAID[i]);
	has = !name || !*name || strcasestr(name, "utf-8") || strcasestr(name, "utf8");
	if (!has && setlocale(LC_CTYPE, "")) {
		has = !strcmp(nl_langinfo(CODESET), "UTF-8");
		setlocale(LC_CTYPE, "C");
	}
	return has;
}

/* Everything we draw with; anything else becomes a question mark. */
static char plain_of(const char *utf8, size_t n)
{
	static const struct { const char *utf8; char plain; } GLYPHS[] = {
		{ "▁", '_' }, { "▂", '_' }, { "▃", '.' }, { "▄", '-' }, { "▅", '-' }, { "▆", '=' }, { "▇", '#' }, { "█", '#' }, { "▔", '"' },
		{ "▀", '"' }, { "▒", '%' }, { "░", '.' }, { "─", '-' }, { "┴", '+' }, { "┼", '|' }, { "│", '|' },
	};

	for (size_t i = 0; i < sizeof(GLYPHS) / sizeof(GLYPHS[0]); i++)
		if (strlen(GLYPHS[i].utf8) == n && memcmp(GLYPHS[i].utf8, utf8, n) == 0)
			return GLYPHS[i].plain;
	return '?';
}

/* Bytes of the character at @text. */
static size_t character(const char *text)
{
	size_t n = 1;

	while (((unsigned char)text[n] & 0xC0) == 0x80)
		n++;
	return n;
}

static void put(const char *text, size_t bytes)
{
	if (!terminal_is() || terminal_has_utf8()) {
		fwrite(text, 1, bytes, stdout);
		return;
	}
	for (size_t i = 0, n; i < bytes; i += n) {
		n = character(text + i);
		putchar(n == 1 ? text[i] : plain_of(text + i, n));
	}
}

void terminal_put(const char *text)
{
	put(text, strlen(text));
}

int terminal_columns(const char *text)
{
	int n = 0;

	for (; *text; text += character(text))
		n++;
	return n;
}

void terminal_wrap(int indent, const char *text)
{
	const int room = terminal_width() - indent;
	const char *line = text;

	while (terminal_is() && room > 0 && terminal_columns(line) > room) {
		const char *at = line, *blank = NULL;

		for (int n = 0; n <= room && *at; n++, at += character(at))
			if (*at == ' ' && at > line)
				blank = at;
		if (!blank) /* a word longer than a line: as it is */
			break;
		put(line, (size_t)(blank - line));
		printf("\n%*s", indent, "");
		line = blank + 1;
	}
	terminal_put(line);
	putchar('\n');
}
