/* Reads the configuration from disk: the file, its conf.d folder, profiles, and secrets (systemd credentials or files
 * with mode 0600 or stricter). */
#ifndef HEARTH_IO_CONFFILE_H
#define HEARTH_IO_CONFFILE_H

#include "core/config.h"
#include "core/err.h"

#define CONFFILE_DEFAULT "/etc/hearth/hearth.conf"

/** Loads @path and, beside it, conf.d/ *.conf in name order. 0 or -EINVAL/-ENOENT with @errors filled. */
int conffile_load(const char *path, struct config *out, struct config_errors *errors);

/** Text of a profile from /etc/hearth/profiles, $HEARTH_PROFILES, or the shipped folder; NULL with reason. malloc'd. */
char *conffile_profile(const char *name, size_t *len, struct errbuf *err);

/**
 * A secret: credential @name from $CREDENTIALS_DIRECTORY, else the file @path ("" = none).
 * Returns 1 = found (NUL-terminated, trailing newline cut), 0 = not configured, negative = refused, with the reason
 * (mode wider than 0600, too long, unreadable).
 */
int conffile_secret(const char *name, const char *path, char *out, size_t size, struct errbuf *err);

/** Is @path a readable file with a certificate (PEM) in it? 0, also for ""; negative with words that begin with @key. */
int conffile_certificates(const char *key, const char *path, struct errbuf *err);

/** $STATE_DIRECTORY, else /var/lib/hearth. */
const char *conffile_state_dir(void);

#endif
