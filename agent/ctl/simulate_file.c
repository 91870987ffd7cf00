/* hearthctl simulate: the files it writes. They are opened before the run, so that nobody waits for half an hour to learn that a folder
 * is missing, and are there as a whole or not at all. */
#include "ctl/simulate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const char *path, int error)
{
	fprintf(stderr, "hearthctl: %s: %s\n", path, strerror(error));
	return CTL_FAILED;
}

/* A new file beside the one it is to become, with the rights a file gets that is simply opened. */
static int open_beside(struct simulate_file *file)
{
	const mode_t mask = umask(0);
	int fd;

	umask(mask);
	if (asprintf(&file->part, "%s.XXXXXX", file->whole) < 0) {
		file->part = NULL;
		return -ENOMEM;
	}
	fd = mkstemp(file->part);
	if (fd >= 0 && fchmod(fd, 0666 & ~mask) == 0)
		file->f = fdopen(fd, "w");
	if (file->f)
		return 0;
	if (fd >= 0)
		close(fd);
	return -errno;
}

int simulate_file_open(struct simulate_file *file, const char *path)
{
	struct stat st;
	int rc = 0;

	*file = (struct simulate_file){ .path = path };
	if (!path)
		return CTL_DONE;
	if (strcmp(path, "-") == 0) {
		file->f = stdout;
		return CTL_DONE;
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a device or a pipe is no file to be replaced */
		file->f = fopen(path, "w");
		return file->f ? CTL_DONE : refuse(path, errno);
	}
	if (access(path, F_OK) == 0 && access(path, W_OK) < 0)
		return refuse(path, errno);
	file->whole = realpath(path, NULL); /* behind a link */
	if (!file->whole)
		file->whole = strdup(path);
	rc = file->whole ? open_beside(file) : -ENOMEM;
	if (rc == 0)
		return CTL_DONE;
	simulate_file_drop(file);
	return refuse(path, -rc);
}

int simulate_file_finish(struct simulate_file *file, const struct simulation *s, int (*write)(const struct simulation *, FILE *))
{
	int rc;

	if (!file->f)
		return CTL_DONE;
	rc = write(s, file->f);
	errno = 0;
	if (rc == 0 && (fflush(file->f) != 0 || ferror(file->f)))
		rc = -(errno ? errno : EIO);
	if (file->f != stdout && fclose(file->f) != 0 && rc == 0)
		rc = -errno;
	file->f = NULL;
	if (rc == 0 && file->part && rename(file->part, file->whole) < 0)
		rc = -errno;
	if (rc == 0) {
		free(file->part);
		file->part = NULL;
	}
	simulate_file_drop(file);
	return rc == 0 ? CTL_DONE : refuse(file->path, -rc);
}

void simulate_file_drop(struct simulate_file *file)
{
	if (file->f && file->f != stdout)
		fclose(file->f);
	if (file->part)
		unlink(file->part);
	free(file->part);
	free(file->whole);
	*file = (struct simulate_file){ .path = file->path };
}
