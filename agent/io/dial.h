/* TCP connecting with a time limit, for worker threads: names are resolved and the connection awaited where this is
 * called, so never call it on the loop. */
#ifndef HEARTH_IO_DIAL_H
#define HEARTH_IO_DIAL_H

#include "core/err.h"

/**
 * @host        name or address (IPv4, IPv6)
 * @timeout_ms  for all addresses of the name together; a dead first one leaves time for the next. A name server that is
 *              silent costs at most 2 s each more
 * @stop_fd     readable: give up, -ECANCELED (see worker_stop_fd); -1: none. Not heard while a name is resolved
 *
 * Returns a socket (non-blocking, close on exec, no delay, below FD_SETSIZE so that select works on it), which the caller
 * closes, or a negative errno with the reason in words.
 */
int dial_tcp(const char *host, int port, int timeout_ms, int stop_fd, struct errbuf *err);

#endif
