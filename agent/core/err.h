/* Errors in words. A function returns a negative errno; what the owner can mend is explained
 * in an errbuf. The caller owns the buffer; NULL is accepted everywhere. */
#ifndef HEARTH_CORE_ERR_H
#define HEARTH_CORE_ERR_H

#define ERR_TEXT_MAX 400

struct errbuf {
	char text[ERR_TEXT_MAX]; /* one sentence, no newline; "" when nothing was said */
};

/**
 * Writes the sentence (cut when too long) and gives back @code, so that a failing function ends in
 * `return errbuf_set(err, -EINVAL, "...")`.
 */
int errbuf_set(struct errbuf *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
