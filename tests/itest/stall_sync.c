/* Loaded into the agent by LD_PRELOAD: while the file named by STALL_FILE exists, every sync of the disk takes five seconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void stall(void)
{
	const char *name = getenv("STALL_FILE");

	if (name && access(name, F_OK) == 0)
		nanosleep(&(struct timespec){ .tv_sec = 5 }, NULL);
}

int fdatasync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	stall();
	return real(fd);
}

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	stall();
	return real(fd);
}
