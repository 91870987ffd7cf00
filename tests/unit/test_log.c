/* The log: what reaches stderr and the ring, hostile text, a reader that does not read, several threads; sd_notify. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/log.h"

static int saved_stderr, reader;

/* stderr becomes a pipe whose other end is `reader`. */
static void capture_begin(void)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	reader = fds[0];
	fcntl(reader, F_SETFL, O_NONBLOCK);
}

static const char *captured(void)
{
	static char text[70000];
	ssize_t n = read(reader, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void capture_end(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(reader);
}

static struct log_line last_line(void)
{
	struct log_line line;

	assert_int_equal(log_recent(&line, 1), 1);
	return line;
}

static void test_text(void **state)
{
	static const struct {
		const char *name, *text, *out;
	} ROWS[] = {
		{ "newline would start a false line", "a\nerror: b", "a error: b" },
		{ "escape sequence", "\033[2Jx\r\007", " [2Jx  " },
		{ "delete character", "a\177b", "a b" },
		{ "UTF-8 stays", "30 \xc2\xb0"
				 "C",
		  "30 \xc2\xb0"
		  "C" },
		{ "empty", "", "" },
	};
	char line[300];

	(void)state;
	capture_begin();
	unsetenv("JOURNAL_STREAM");
	log_open("test", LOG_LEVEL_INFO);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const char *out;

		log_warning("bus house", "%s", ROWS[i].text);
		if (strcmp(last_line().text, ROWS[i].out))
			fail_msg("%s: \"%s\"", ROWS[i].name, last_line().text);
		out = captured();
		snprintf(line, sizeof(line), " test warning: bus house: %s\n", ROWS[i].out);
		if (!strstr(out, line) || strchr(out, '\n') != out + strlen(out) - 1)
			fail_msg("%s: stderr has \"%s\"", ROWS[i].name, out);
	}
	capture_end();
}

static void test_long(void **state)
{
	char text[400];
	struct log_line l;

	(void)state;
	capture_begin();
	log_open("test", LOG_LEVEL_INFO);
	memset(text, 'x', sizeof(text));
	memcpy(text + 238, "\xc3\xbc", 2); /* the cut falls into this character */
	text[399] = '\0';
	log_error("a part with a name too long", "%s", text);
	l = last_line();
	assert_string_equal(l.part, "a part with a n");
	assert_int_equal(strlen(l.text), 238);
	assert_int_equal(l.text[237], 'x');
	assert_non_null(strstr(captured(), "xxx\n"));
	capture_end();
}

static void test_levels(void **state)
{
	struct log_line before, l;

	(void)state;
	capture_begin();
	log_open("test", LOG_LEVEL_WARNING);
	log_error("p", "one");
	before = last_line();
	log_notice("p", "not wanted");
	log_debug("p", "not wanted");
	l = last_line();
	assert_memory_equal(&before, &l, sizeof(l));
	log_level_set(LOG_LEVEL_DEBUG);
	errno = ENOENT;
	log_debug("p", "wanted: %m");
	assert_int_equal(errno, ENOENT);
	l = last_line();
	assert_string_equal(l.text, "wanted: No such file or directory");
	assert_int_equal(l.level, LOG_LEVEL_DEBUG);
	assert_true(l.utc_ms > INT64_C(1500000000000));
	capture_end();
}

static void test_ring(void **state)
{
	static struct log_line lines[LOG_KEEP + 10];
	char text[16];

	(void)state;
	capture_begin();
	log_open("test", LOG_LEVEL_INFO);
	for (int i = 0; i < LOG_KEEP + 50; i++) {
		log_info("p", "%d", i);
		captured();
	}
	assert_int_equal(log_recent(lines, LOG_KEEP + 10), LOG_KEEP);
	assert_string_equal(lines[0].text, "50");
	snprintf(text, sizeof(text), "%d", LOG_KEEP + 49);
	assert_string_equal(lines[LOG_KEEP - 1].text, text);
	assert_int_equal(log_recent(lines, 2), 2);
	assert_string_equal(lines[1].text, text);
	assert_int_equal(log_recent(lines, 0), 0);
	assert_int_equal(log_recent(lines, -1), 0);
	capture_end();
}

static void test_journal(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	capture_begin();
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("test", LOG_LEVEL_INFO);
	log_error("flip", "forged envelope");
	assert_string_equal(captured(), "<3>flip: forged envelope\n");
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1); /* inherited, but stderr was sent elsewhere */
	log_open("test", LOG_LEVEL_INFO);
	log_error("flip", "forged envelope");
	assert_non_null(strstr(captured(), "test error: flip"));
	unsetenv("JOURNAL_STREAM");
	capture_end();
}

/* Nobody reads: logging goes on without waiting, and the loss is told with the next line that gets through. */
static void test_reader_hangs(void **state)
{
	int written = 0;

	(void)state;
	capture_begin();
	log_open("test", LOG_LEVEL_INFO);
	alarm(20);
	for (; written < 5000; written++)
		log_info("p", "a line of some length, so that the pipe of 64 KiB is full before long");
	alarm(0);
	while (*captured())
		;
	log_info("p", "after");
	assert_non_null(strstr(captured(), "after ("));
	log_info("p", "all is well");
	assert_null(strstr(captured(), "lost"));
	capture_end();
}

static void *writer(void *context)
{
	for (int i = 0; i < 500; i++)
		log_info(context, "line %d of %s, the same in ring and text", i, (const char *)context);
	return NULL;
}

static void test_threads(void **state)
{
	static struct log_line lines[LOG_KEEP];
	pthread_t thread[3];
	char *names[] = { "one", "two", "three" };
	int n, null = open("/dev/null", O_WRONLY);

	(void)state;
	saved_stderr = dup(STDERR_FILENO);
	dup2(null, STDERR_FILENO);
	log_open("test", LOG_LEVEL_INFO);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, writer, names[i]), 0);
	for (int i = 0; i < 200; i++)
		log_recent(lines, LOG_KEEP);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(null);
	n = log_recent(lines, LOG_KEEP);
	assert_int_equal(n, LOG_KEEP);
	for (int i = 0; i < n; i++) {
		char of[32];

		snprintf(of, sizeof(of), " of %s,", lines[i].part);
		assert_non_null(strstr(lines[i].text, of)); /* no line made of two */
	}
}

static void test_notify(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	char text[300];
	ssize_t n;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	notify_ready("nobody listens");
	notify_watchdog();
	assert_int_equal(notify_watchdog_ms(), 0);
	snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "hearth-test-%d", (int)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
								     strlen(a.sun_path + 1))),
			 0);
	snprintf(text, sizeof(text), "@%s", a.sun_path + 1);
	setenv("NOTIFY_SOCKET", text, 1);
	setenv("WATCHDOG_USEC", "20000000", 1);
	assert_int_equal(notify_watchdog_ms(), 20000);
	notify_ready("running");
	n = recv(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, "READY=1\nSTATUS=running");
	notify_status("%d devices\nREADY=0", 3);
	n = recv(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, "STATUS=3 devices READY=0");
	notify_reloading();
	n = recv(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	assert_int_equal(strncmp(text, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	notify_watchdog();
	n = recv(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, "WATCHDOG=1");
	notify_stopping();
	n = recv(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, "STOPPING=1");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	cmocka_unit_test(test_long),	     cmocka_unit_test(test_levels),
		cmocka_unit_test(test_ring),	cmocka_unit_test(test_journal),	     cmocka_unit_test(test_reader_hangs),
		cmocka_unit_test(test_threads), cmocka_unit_test(test_notify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
