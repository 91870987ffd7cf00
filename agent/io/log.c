/* See log.h. Lines go to stderr: to the journal with sd-daemon's "<N>" level prefix, else in a form for people.
 * sd_journal_send() is not used, because it waits when journald does not read; here a line that finds no room is dropped
 * and counted, so that logging can never hold up the control path. */
#include "io/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The ring is the one thing all threads write to; the lock is held for one copy of a line, never over I/O. A message to
 * the loop instead would lose the lines of a loop that hangs, the ones most wanted. */
static struct {
	pthread_mutex_t lock;
	struct log_line line[LOG_KEEP];
	unsigned long written;
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Atomic int level_least = LOG_LEVEL_INFO;
static _Atomic bool to_journal;
static _Atomic unsigned dropped;
static char name[32] = "hearth"; /* set once, before there are threads */

static const char *level_word(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_NOTICE:
		return "notice";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "?";
}

/* $JOURNAL_STREAM holds device and inode of the stream systemd made; it is inherited also by children whose stderr
 * goes elsewhere, so both are compared (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return text && sscanf(text, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == (dev_t)device && st.st_ino == (ino_t)inode;
}

void log_open(const char *program, enum log_level least)
{
	snprintf(name, sizeof(name), "%s", program);
	atomic_store(&to_journal, stderr_is_journal());
	log_level_set(least);
}

void log_level_set(enum log_level least)
{
	atomic_store(&level_least, (int)least);
}

/* Texts may hold what a device or a stranger sent: no control character may start a line of its own or move a
 * terminal's cursor. A cut must not leave half a UTF-8 character. */
static void text_clean(char *text, size_t size, bool cut)
{
	size_t n = strnlen(text, size);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = ' ';
	if (!cut)
		return;
	while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
		n--;
	if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
		n--;
	text[n] = '\0';
}

static void ring_add(const struct log_line *line)
{
	pthread_mutex_lock(&ring.lock);
	ring.line[ring.written++ % LOG_KEEP] = *line;
	pthread_mutex_unlock(&ring.lock);
}

static void line_out(const struct log_line *line)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	char out[sizeof(line->text) + 128], lost[40] = "";
	unsigned n_lost = atomic_exchange(&dropped, 0);
	time_t second = (time_t)(line->utc_ms / 1000);
	struct tm tm;
	int n;

	/* A pipe is writable only with PIPE_BUF bytes free, a stream socket with a good part of its buffer: a line fits. */
	if (poll(&room, 1, 0) == 0) {
		atomic_fetch_add(&dropped, n_lost + 1);
		return;
	}
	if (n_lost)
		snprintf(lost, sizeof(lost), " (%u lines were lost)", n_lost);
	if (atomic_load(&to_journal)) {
		n = snprintf(out, sizeof(out), "<%d>%s: %s%s\n", (int)line->level, line->part, line->text, lost);
	} else {
		gmtime_r(&second, &tm);
		n = snprintf(out, sizeof(out), "%02d:%02d:%02d.%03d %s %s: %s: %s%s\n", tm.tm_hour, tm.tm_min, tm.tm_sec,
			     (int)(line->utc_ms % 1000), name, level_word(line->level), line->part, line->text, lost);
	}
	if (n > (int)sizeof(out) - 1)
		n = (int)sizeof(out) - 1;
	/* One write a line keeps lines of several threads whole. Nobody can be told when it fails. */
	if (write(STDERR_FILENO, out, (size_t)n) < 0)
		atomic_fetch_add(&dropped, 1);
}

void log_write(enum log_level level, const char *part, const char *fmt, ...)
{
	int saved = errno, n;
	struct log_line line = { .level = level };
	struct timespec now;
	va_list ap;

	if ((int)level > atomic_load(&level_least))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	line.utc_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	n = snprintf(line.part, sizeof(line.part), "%s", part);
	text_clean(line.part, sizeof(line.part), n >= (int)sizeof(line.part));
	errno = saved; /* for %m */
	va_start(ap, fmt);
	n = vsnprintf(line.text, sizeof(line.text), fmt, ap);
	va_end(ap);
	text_clean(line.text, sizeof(line.text), n >= (int)sizeof(line.text));
	ring_add(&line);
	line_out(&line);
	errno = saved;
}

int log_recent(struct log_line *out, int max)
{
	unsigned long n;

	pthread_mutex_lock(&ring.lock);
	n = ring.written < LOG_KEEP ? ring.written : LOG_KEEP;
	if (n > (unsigned long)(max > 0 ? max : 0))
		n = (unsigned long)(max > 0 ? max : 0);
	for (unsigned long i = 0; i < n; i++)
		out[i] = ring.line[(ring.written - n + i) % LOG_KEEP];
	pthread_mutex_unlock(&ring.lock);
	return (int)n;
}
