/* Log lines to the journal (or stderr when there is none), and the readiness protocol of systemd. */
#ifndef HEARTH_IO_LOG_H
#define HEARTH_IO_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_NOTICE = 5, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

struct log_line {
	int64_t utc_ms;
	enum log_level level;
	char part[16];
	char text[240];
};

/** Opens the way out: journald when stderr is connected to it, else stderr with level prefix. */
void log_open(const char *program, enum log_level least);
void log_level_set(enum log_level least);

/** Thread-safe. @part names the module ("bus house", "flip"). Keeps the last LOG_KEEP lines for `hearthctl log`. */
void log_write(enum log_level level, const char *part, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define log_error(part, ...) log_write(LOG_LEVEL_ERROR, part, __VA_ARGS__)
#define log_warning(part, ...) log_write(LOG_LEVEL_WARNING, part, __VA_ARGS__)
#define log_notice(part, ...) log_write(LOG_LEVEL_NOTICE, part, __VA_ARGS__)
#define log_info(part, ...) log_write(LOG_LEVEL_INFO, part, __VA_ARGS__)
#define log_debug(part, ...) log_write(LOG_LEVEL_DEBUG, part, __VA_ARGS__)

#define LOG_KEEP 256
/** Copies the latest lines, oldest first; returns how many (at most @max). */
int log_recent(struct log_line *out, int max);

/** sd_notify: "READY=1", "WATCHDOG=1", "STATUS=...", "STOPPING=1", "RELOADING=1...". No-ops outside systemd. */
void notify_ready(const char *status);
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void notify_watchdog(void);
void notify_reloading(void);
void notify_stopping(void);
/** Watchdog interval systemd asks for, in ms; 0 = none. */
int64_t notify_watchdog_ms(void);

#endif
