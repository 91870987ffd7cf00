/* What the book's files share: how long a command lasts, how it is answered and how it ends. Not for others. */
#ifndef HEARTH_CLOUD_BOOK_INTERNAL_H
#define HEARTH_CLOUD_BOOK_INTERNAL_H

#include "cloud/book.h"

#define BOOK_ANSWER_MS (10LL * 60 * 1000)

/** End of the window: ends_at, or the safety limit of a command without one. */
int64_t book_end_utc(const struct book *b, const struct flip_command *c);
/** ACTIVE, SUSPENDED. */
bool book_running(const struct book_entry *e);
/** Sets the answer to the present version; @due: it must go out. */
void book_answer(struct book_entry *e, enum flip_device_status s, bool due, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void book_finish(struct book_entry *e, enum book_state state, int64_t utc_ms);
/** The owner opted out of it, here, and Flip has not overruled that. */
bool book_opted_out(struct book *b, const struct book_entry *e);
/** A version Flip wrote at @updated_utc_ms says the home takes part. Does that end the opt-out? Then it is ended. */
bool book_overruled(struct book_event *v, int64_t updated_utc_ms);
/** The checks of 10.6, in its order. Leaves ack PENDING (and nothing due) while the device does not answer. */
void book_judge(struct book *b, struct book_entry *e, const struct book_scene *s);
/** Does @a come before @b when both want the same device at the same time (10.5 rules 1 and 2)? */
bool book_wins(const struct flip_command *a, const struct flip_command *b);
/** Not running and not answered any more: back to SCHEDULED, judged and answered anew by the next step. */
void book_ask_again(struct book_entry *e, int64_t utc_ms);
void book_supersede(struct book_entry *loser, const struct book_entry *winner, int64_t utc_ms);
/** Commands of a wish_id that the owner's opt-out held back may run again; the next step judges the never accepted ones. */
void book_let_in(struct book *b, const char *wish_id, int64_t utc_ms);

#endif
