/* See worker.h. One mutex a worker. Queues hand out the slot used last, so that a deep mailbox that is mostly empty
 * touches little memory. */
#include "io/worker.h"
#include "io/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define STACK_KIB 256
#define REPLIES_A_WAKE 32 /* then other handles of the loop get their turn */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_FACTOR 8
#else
#define STACK_FACTOR 1
#endif

struct queue {
	size_t size;
	int depth, head, n;
	unsigned char *slots;
	uint64_t *keys; /* by slot */
	int *order;     /* ring of slots, oldest at head */
	int *spare;     /* stack of the depth - n free slots */
};

struct worker {
	struct worker_options o;
	char name[16];
	uv_loop_t *loop;
	uv_async_t async;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, room, news; /* for the thread; for its replies; for worker_stop */
	struct queue lanes[WORKER_LANES_MAX], replies;
	bool stopping, drain, ended;     /* under the lock */
	int stop_fd;                     /* says stopping to poll() */
	bool closing;                    /* the loop's alone */
	unsigned char *message;          /* the thread's copy of what it works on */
	unsigned char *reply[2];         /* the loop's: of on_async, and of a worker_stop called from inside it */
};

static void queue_deinit(struct queue *q)
{
	free(q->slots);
	free(q->keys);
	free(q->order);
	free(q->spare);
	memset(q, 0, sizeof(*q));
}

static int queue_init(struct queue *q, int depth, size_t size)
{
	q->size = size;
	q->depth = depth;
	q->slots = calloc((size_t)depth, size);
	q->keys = calloc((size_t)depth, sizeof(*q->keys));
	q->order = calloc((size_t)depth, sizeof(*q->order));
	q->spare = calloc((size_t)depth, sizeof(*q->spare));
	if (!q->slots || !q->keys || !q->order || !q->spare)
		return -ENOMEM;
	for (int i = 0; i < depth; i++)
		q->spare[i] = depth - 1 - i;
	return 0;
}

static unsigned char *queue_slot(struct queue *q, int slot)
{
	return q->slots + (size_t)slot * q->size;
}

static int queue_put(struct queue *q, uint64_t key, const void *data)
{
	int slot;

	if (q->n == q->depth)
		return -EAGAIN;
	slot = q->spare[q->depth - q->n - 1];
	q->order[(q->head + q->n) % q->depth] = slot;
	q->keys[slot] = key;
	memcpy(queue_slot(q, slot), data, q->size);
	q->n++;
	return 0;
}

static bool queue_take(struct queue *q, void *out)
{
	int slot;

	if (!q->n)
		return false;
	slot = q->order[q->head];
	memcpy(out, queue_slot(q, slot), q->size);
	q->head = (q->head + 1) % q->depth;
	q->n--;
	q->spare[q->depth - q->n - 1] = slot;
	return true;
}

static unsigned char *queue_find(struct queue *q, uint64_t key)
{
	for (int i = 0; key && i < q->n; i++) {
		int slot = q->order[(q->head + i) % q->depth];

		if (q->keys[slot] == key)
			return queue_slot(q, slot);
	}
	return NULL;
}

static void deadline_in(struct timespec *ts, int ms)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	ts->tv_sec += ms / 1000;
	ts->tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
}

static int mailbox_waiting(const struct worker *w)
{
	int n = 0;

	for (int i = 0; i < w->o.lanes; i++)
		n += w->lanes[i].n;
	return n;
}

/* Waits, with the lock held, for a message. False when there is nothing more to do. */
static bool mailbox_take(struct worker *w)
{
	while (!w->stopping && !mailbox_waiting(w)) {
		struct timespec until;
		int r = 0;

		if (!w->o.idle || w->o.idle_ms <= 0) {
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		deadline_in(&until, w->o.idle_ms);
		while (!w->stopping && !mailbox_waiting(w) && r != ETIMEDOUT)
			r = pthread_cond_timedwait(&w->wake, &w->lock, &until);
		if (w->stopping || mailbox_waiting(w))
			continue;
		pthread_mutex_unlock(&w->lock);
		w->o.idle(w, w->o.context);
		pthread_mutex_lock(&w->lock);
	}
	if (w->stopping && !w->drain)
		return false;
	for (int i = 0; i < w->o.lanes; i++)
		if (queue_take(&w->lanes[i], w->message))
			return true;
	return false;
}

static void *thread_main(void *arg)
{
	struct worker *w = arg;

	pthread_setname_np(pthread_self(), w->name);
	pthread_mutex_lock(&w->lock);
	while (mailbox_take(w)) {
		pthread_mutex_unlock(&w->lock);
		w->o.work(w, w->o.context, w->message);
		pthread_mutex_lock(&w->lock);
	}
	w->ended = true;
	pthread_cond_signal(&w->news);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static bool reply_take(struct worker *w, unsigned char *out)
{
	bool taken;

	pthread_mutex_lock(&w->lock);
	taken = queue_take(&w->replies, out);
	if (taken)
		pthread_cond_signal(&w->room);
	pthread_mutex_unlock(&w->lock);
	return taken;
}

static void on_async(uv_async_t *async)
{
	struct worker *w = async->data;

	loop_mark(w->o.name);
	for (int i = 0; i < REPLIES_A_WAKE; i++) {
		if (w->closing || !reply_take(w, w->reply[0]))
			return;
		w->o.reply(w->o.context, w->reply[0]);
	}
	if (!w->closing)
		uv_async_send(&w->async);
}

static void worker_free(struct worker *w)
{
	for (int i = 0; i < WORKER_LANES_MAX; i++)
		queue_deinit(&w->lanes[i]);
	queue_deinit(&w->replies);
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->room);
	pthread_cond_destroy(&w->news);
	pthread_mutex_destroy(&w->lock);
	if (w->stop_fd >= 0)
		close(w->stop_fd);
	free(w->message);
	free(w->reply[0]);
	free(w->reply[1]);
	free(w);
}

static void on_close(uv_handle_t *handle)
{
	worker_free(handle->data);
}

static int memory_init(struct worker *w)
{
	/* The loop's own echoes have room beyond what the thread may fill. */
	int r = queue_init(&w->replies, w->o.reply_depth + w->o.depth, w->o.reply_size);

	for (int i = 0; !r && i < w->o.lanes; i++)
		r = queue_init(&w->lanes[i], w->o.depth, w->o.message_size);
	w->message = malloc(w->o.message_size);
	w->reply[0] = malloc(w->o.reply_size);
	w->reply[1] = malloc(w->o.reply_size);
	return w->message && w->reply[0] && w->reply[1] ? r : -ENOMEM;
}

/* Signals belong to the loop: the thread is born with all of them blocked. */
static int thread_begin(struct worker *w)
{
	size_t kib = (w->o.stack_kib ? w->o.stack_kib : STACK_KIB) * STACK_FACTOR;
	pthread_attr_t attr;
	sigset_t all, before;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, kib * 1024);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, &attr, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

static void conditions_init(struct worker *w)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, &monotonic);
	pthread_cond_init(&w->room, NULL);
	pthread_cond_init(&w->news, NULL);
	pthread_condattr_destroy(&monotonic);
}

int worker_start(struct worker **out, uv_loop_t *loop, const struct worker_options *options, struct errbuf *err)
{
	struct worker *w;
	int r;

	if (options->lanes < 1 || options->lanes > WORKER_LANES_MAX || options->depth < 1 || options->reply_depth < 1 ||
	    !options->message_size || !options->reply_size || !options->work || !options->reply)
		return errbuf_set(err, -EINVAL, "worker %s: options make no sense", options->name);
	w = calloc(1, sizeof(*w));
	if (!w)
		return errbuf_set(err, -ENOMEM, "worker %s: no memory", options->name);
	w->o = *options;
	w->loop = loop;
	strncpy(w->name, options->name, sizeof(w->name) - 1);
	w->o.name = w->name;
	conditions_init(w);
	w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = w->stop_fd < 0 ? -errno : memory_init(w);
	if (!r)
		r = uv_async_init(loop, &w->async, on_async);
	if (r) {
		worker_free(w);
		return errbuf_set(err, r, "worker %s: cannot be set up: %s", options->name, uv_strerror(r));
	}
	w->async.data = w;
	r = thread_begin(w);
	if (r) {
		w->closing = true;
		uv_close((uv_handle_t *)&w->async, on_close);
		return errbuf_set(err, r, "worker %s: no thread: %s", options->name, uv_strerror(r));
	}
	*out = w;
	return 0;
}

int worker_post(struct worker *w, int lane, uint64_t key, const void *message, void *replaced, bool *was_replaced)
{
	unsigned char *old;
	int r = 0;

	if (was_replaced)
		*was_replaced = false;
	if (lane < 0 || lane >= w->o.lanes)
		return -EINVAL;
	pthread_mutex_lock(&w->lock);
	old = w->stopping ? NULL : queue_find(&w->lanes[lane], key);
	if (old) {
		if (replaced)
			memcpy(replaced, old, w->o.message_size);
		if (was_replaced)
			*was_replaced = true;
		memcpy(old, message, w->o.message_size);
	} else {
		r = w->stopping ? -EAGAIN : queue_put(&w->lanes[lane], key, message);
	}
	pthread_mutex_unlock(&w->lock);
	if (!r && !old) /* after unlocking, or the woken thread blocks on the lock at once */
		pthread_cond_signal(&w->wake);
	return r;
}

void worker_reply(struct worker *w, const void *reply)
{
	pthread_mutex_lock(&w->lock);
	while (w->replies.n >= w->o.reply_depth)
		pthread_cond_wait(&w->room, &w->lock);
	queue_put(&w->replies, 0, reply);
	pthread_cond_signal(&w->news);
	pthread_mutex_unlock(&w->lock);
	uv_async_send(&w->async);
}

int worker_echo(struct worker *w, const void *reply)
{
	int r;

	pthread_mutex_lock(&w->lock);
	r = w->stopping ? -EAGAIN : queue_put(&w->replies, 0, reply);
	pthread_mutex_unlock(&w->lock);
	if (!r)
		uv_async_send(&w->async);
	return r;
}

bool worker_stopping(struct worker *w)
{
	bool stopping;

	pthread_mutex_lock(&w->lock);
	stopping = w->stopping;
	pthread_mutex_unlock(&w->lock);
	return stopping;
}

void worker_sleep(struct worker *w, int ms)
{
	struct timespec until;
	int r = 0;

	if (ms <= 0)
		return;
	deadline_in(&until, ms);
	pthread_mutex_lock(&w->lock);
	while (!w->stopping && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&w->wake, &w->lock, &until);
	pthread_mutex_unlock(&w->lock);
}

int worker_stop_fd(const struct worker *w)
{
	return w->stop_fd;
}

int worker_waiting(struct worker *w, int lane)
{
	int n;

	if (lane < 0 || lane >= w->o.lanes)
		return 0;
	pthread_mutex_lock(&w->lock);
	n = w->lanes[lane].n;
	pthread_mutex_unlock(&w->lock);
	return n;
}

void worker_ask_stop(struct worker *w, bool drain)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	w->drain = drain;
	eventfd_write(w->stop_fd, 1);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void worker_stop(struct worker *w, bool drain)
{
	bool ended = false;

	if (!w || w->closing)
		return;
	w->closing = true;
	worker_ask_stop(w, drain);
	while (!ended) {
		pthread_mutex_lock(&w->lock);
		while (!w->ended && !w->replies.n)
			pthread_cond_wait(&w->news, &w->lock);
		ended = w->ended;
		pthread_mutex_unlock(&w->lock);
		while (reply_take(w, w->reply[1]))
			w->o.reply(w->o.context, w->reply[1]);
	}
	pthread_join(w->thread, NULL);
	uv_close((uv_handle_t *)&w->async, on_close);
}
