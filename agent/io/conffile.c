/* See conffile.h. Reads whole files, bounded; what the text means is core/config's business. */
#include "io/conffile.h"

#include "core/json.h"
#include "core/nearest.h"
#include "io/zone.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1024 * 1024)
#define PATH_TEXT_MAX 700    /* a folder of 400 and a name */
#define FILES_MAX 64
#define PROFILE_DEPTH 16
#define SECRET_MODE 0600

/* Reads at most @max bytes of an open file; returns how many, -EFBIG when there are more. */
static ssize_t read_all(int fd, char *out, size_t max)
{
	size_t at = 0;
	char more;

	for (;;) {
		const ssize_t n = at < max ? read(fd, out + at, max - at) : read(fd, &more, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return (ssize_t)at;
		if (at == max)
			return -EFBIG;
		at += (size_t)n;
	}
}

/* Opens a regular file; a FIFO in its place must not hang the agent. */
static int open_regular(const char *path, struct stat *st)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

/* The whole file, NUL behind it, malloc'd; NULL with *code set. */
static char *file_read(const char *path, size_t *len, int *code)
{
	struct stat st;
	char *text = NULL;
	ssize_t n;
	int fd;

	fd = open_regular(path, &st);
	if (fd < 0) {
		*code = fd;
		return NULL;
	}
	if (st.st_size > FILE_MAX) {
		*code = -EFBIG;
		goto out;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text) {
		*code = -ENOMEM;
		goto out;
	}
	n = read_all(fd, text, (size_t)st.st_size);
	if (n < 0) {
		*code = (int)n;
		free(text);
		text = NULL;
		goto out;
	}
	text[n] = '\0';
	*len = (size_t)n;
out:
	close(fd);
	return text;
}

static const char *reason_of(int code)
{
	return code == -EINVAL ? "is not a file" : code == -EFBIG ? "is larger than 1 MiB" : strerror(-code);
}

static const char *profile_folder(int i)
{
	static const char *const FOLDERS[] = { "/etc/hearth/profiles", HEARTH_DATADIR "/profiles" };
	const char *own = getenv("HEARTH_PROFILES");

	if (i == 0)
		return own && own[0] ? own : "/nonexistent";
	return i <= 2 ? FOLDERS[i - 1] : NULL;
}

static void profile_nearest(const char *name, char *out, size_t size)
{
	struct nearest near;
	char stem[NEAREST_NAME_MAX];
	const char *folder;

	nearest_start(&near, name);
	nearest_offer(&near, "sunspec");
	for (int i = 0; (folder = profile_folder(i)); i++) {
		DIR *dir = opendir(folder);
		struct dirent *e;

		while (dir && (e = readdir(dir))) {
			const char *dot = strrchr(e->d_name, '.');

			if (!dot || strcmp(dot, ".json") != 0 || (size_t)(dot - e->d_name) >= sizeof(stem))
				continue;
			snprintf(stem, sizeof(stem), "%.*s", (int)(dot - e->d_name), e->d_name);
			nearest_offer(&near, stem);
		}
		if (dir)
			closedir(dir);
	}
	snprintf(out, size, "%s", near.best);
}

char *conffile_profile(const char *name, size_t *len, struct errbuf *err)
{
	char path[512], nearest[NEAREST_NAME_MAX];
	const char *folder;
	int code = -ENOENT;
	char *text;

	if (!name[0] || name[0] == '.' || strchr(name, '/')) {
		errbuf_set(err, -EINVAL, "profile '%.40s': not a name", name);
		return NULL;
	}
	for (int i = 0; (folder = profile_folder(i)); i++) {
		snprintf(path, sizeof(path), "%s/%s.json", folder, name);
		text = file_read(path, len, &code);
		if (text)
			return text;
		if (code != -ENOENT) {
			errbuf_set(err, code, "%s: %s", path, reason_of(code));
			return NULL;
		}
	}
	profile_nearest(name, nearest, sizeof(nearest));
	errbuf_set(err, -ENOENT, "there is no profile '%.40s'%s%s%s", name, nearest[0] ? ", did you mean " : "", nearest,
		   nearest[0] ? "?" : "");
	return NULL;
}

/* What a profile's `kind` or one of its `also` lets a device be. */
static uint32_t roles_of_word(const char *word, bool only)
{
	static const struct {
		const char *word;
		uint32_t roles;
	} ROLES[] = {
		{ "battery", ROLE_BATTERY },
		{ "pv", ROLE_PV },
		{ "inverter", ROLE_PV },
		{ "charger", ROLE_CHARGER },
	};

	/* a device that is nothing but a meter may measure anything; one inside something else sits at the grid */
	if (!strcmp(word, "meter"))
		return only ? ROLE_GRID | ROLE_LOAD | ROLE_PV : ROLE_GRID;
	for (size_t i = 0; i < sizeof(ROLES) / sizeof(ROLES[0]); i++)
		if (!strcmp(ROLES[i].word, word))
			return ROLES[i].roles;
	return 0;
}

static uint32_t profile_roles(void *context, const char *profile, char *nearest, size_t nearest_size)
{
	size_t len = 0;
	char *text = conffile_profile(profile, &len, NULL);
	AUTO_JSON *tree = text ? json_parse(text, len, FILE_MAX, PROFILE_DEPTH, NULL) : NULL;
	const cJSON *also = cJSON_GetObjectItemCaseSensitive(tree, "also"), *word;
	char kind[32] = "";
	uint32_t roles = 0;

	(void)context;
	nearest[0] = '\0';
	if (!text)
		profile_nearest(profile, nearest, nearest_size);
	free(text);
	if (!tree || json_get_text(tree, "kind", kind, sizeof(kind), NULL) != 1)
		return 0;
	roles = roles_of_word(kind, cJSON_GetArraySize(also) == 0);
	cJSON_ArrayForEach(word, also) if (cJSON_IsString(word)) roles |= roles_of_word(word->valuestring, false);
	return roles;
}

static bool check_zone(void *context, const char *zone, char *nearest, size_t nearest_size)
{
	(void)context;
	return zone_known(zone, nearest, nearest_size);
}

static bool mode_good(const struct stat *st, char *reason, size_t size)
{
	if ((st->st_mode & 07777 & ~(mode_t)SECRET_MODE) == 0)
		return true;
	snprintf(reason, size, "the file's mode is %04o, allowed: %04o or stricter", (unsigned)st->st_mode & 07777,
		 SECRET_MODE);
	return false;
}

/* 1 = there, *st says more; 0 = not to be told by somebody who may not look: the agent will; -1 = *reason. */
static int file_there(const char *path, struct stat *st, char *reason, size_t reason_size)
{
	if (stat(path, st) < 0) {
		if (errno == EACCES)
			return 0;
		snprintf(reason, reason_size, "the file cannot be used: %s", strerror(errno));
		return -1;
	}
	if (!S_ISREG(st->st_mode)) {
		snprintf(reason, reason_size, "is not a file");
		return -1;
	}
	return 1;
}

static bool check_secret(void *context, const char *path, char *reason, size_t reason_size)
{
	struct stat st;
	int there = file_there(path, &st, reason, reason_size);

	(void)context;
	return there > 0 ? mode_good(&st, reason, reason_size) : there == 0;
}

static bool check_plain(void *context, const char *path, char *reason, size_t reason_size)
{
	struct stat st;

	(void)context;
	return file_there(path, &st, reason, reason_size) >= 0;
}

static void error_add(struct config_errors *errors, const char *path, const char *why)
{
	if (errors->n < CONFIG_ERRORS_MAX)
		snprintf(errors->text[errors->n], sizeof(errors->text[0]), "%.200s: cannot be read: %.80s", path, why);
	errors->n++;
}

static int is_conf(const struct dirent *e)
{
	const size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && !strcmp(e->d_name + n - 5, ".conf");
}

struct file_list {
	int n;
	struct config_file file[FILES_MAX];
	char path[FILES_MAX][PATH_TEXT_MAX];
	char *text[FILES_MAX];
};

static int list_add(struct file_list *l, const char *path, struct config_errors *unread)
{
	size_t len = 0;
	int code = 0;
	char *text;

	if (l->n == FILES_MAX) {
		error_add(unread, path, "too many files in conf.d, allowed: 63");
		return -EINVAL;
	}
	text = file_read(path, &len, &code);
	if (!text) {
		error_add(unread, path, reason_of(code));
		return code;
	}
	snprintf(l->path[l->n], sizeof(l->path[0]), "%s", path);
	l->text[l->n] = text;
	l->file[l->n] = (struct config_file){ .path = l->path[l->n], .text = text, .len = len };
	l->n++;
	return 0;
}

static void list_add_folder(struct file_list *l, const char *path, struct config_errors *unread)
{
	const char *slash = strrchr(path, '/');
	char folder[400], file[PATH_TEXT_MAX];
	struct dirent **names = NULL;
	int n;

	snprintf(folder, sizeof(folder), "%.*sconf.d", slash ? (int)(slash - path) + 1 : 0, path);
	n = scandir(folder, &names, is_conf, alphasort);
	if (n < 0 && errno != ENOENT && errno != ENOTDIR)
		error_add(unread, folder, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", folder, names[i]->d_name);
		list_add(l, file, unread);
		free(names[i]);
	}
	free(names);
}

int conffile_load(const char *path, struct config *out, struct config_errors *errors)
{
	static const struct config_checks CHECKS = { NULL, profile_roles, check_zone, check_secret, check_plain };
	struct file_list *l = calloc(1, sizeof(*l));
	struct config_errors *unread = calloc(1, sizeof(*unread));
	struct config *parsed = calloc(1, sizeof(*parsed));
	int r = -ENOMEM;

	errors->n = 0;
	if (!l || !unread || !parsed)
		goto out;
	r = list_add(l, path, unread);
	if (r < 0) {
		*errors = *unread; /* without the main file every other error would be a false one */
		r = r == -ENOENT ? r : -EINVAL;
		goto out;
	}
	list_add_folder(l, path, unread);
	r = config_parse_checked(l->file, l->n, &CHECKS, parsed, errors);
	for (int i = 0; i < unread->n && i < CONFIG_ERRORS_MAX; i++) {
		if (errors->n < CONFIG_ERRORS_MAX)
			memcpy(errors->text[errors->n], unread->text[i], sizeof(errors->text[0]));
		errors->n++;
		r = -EINVAL;
	}
	if (r == 0)
		*out = *parsed;
out:
	for (int i = 0; l && i < l->n; i++)
		free(l->text[i]);
	free(l);
	free(unread);
	free(parsed);
	return r;
}

static int secret_read(const char *path, bool check_mode, char *out, size_t size, struct errbuf *err)
{
	char reason[120];
	struct stat st;
	ssize_t n;
	int fd;

	fd = open_regular(path, &st);
	if (fd < 0)
		return errbuf_set(err, fd, "%s: %s", path, reason_of(fd));
	if (check_mode && !mode_good(&st, reason, sizeof(reason))) {
		close(fd);
		return errbuf_set(err, -EPERM, "%s: %s", path, reason);
	}
	n = read_all(fd, out, size - 1);
	close(fd);
	if (n < 0) {
		explicit_bzero(out, size);
		return n == -EFBIG ? errbuf_set(err, -EFBIG, "%s: longer than %zu bytes", path, size - 1)
				   : errbuf_set(err, (int)n, "%s: %s", path, strerror((int)-n));
	}
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
		n--;
	out[n] = '\0';
	/* lines inside may be meant: two signing keys while one is rotated */
	if (n == 0 || strlen(out) != (size_t)n) {
		explicit_bzero(out, size);
		return errbuf_set(err, -EINVAL, "%s: %s", path, n == 0 ? "is empty" : "holds a NUL byte, allowed: text");
	}
	return 1;
}

int conffile_secret(const char *name, const char *path, char *out, size_t size, struct errbuf *err)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char file[512];
	int r;

	out[0] = '\0';
	if (folder && folder[0]) {
		snprintf(file, sizeof(file), "%s/%s", folder, name);
		/* systemd made it, for this service alone: its mode is not ours to judge */
		r = secret_read(file, false, out, size, err);
		if (r != -ENOENT)
			return r;
		if (err)
			err->text[0] = '\0';
	}
	return path && path[0] ? secret_read(path, true, out, size, err) : 0;
}

int conffile_certificates(const char *key, const char *path, struct errbuf *err)
{
	char line[128];
	bool found = false;
	FILE *f;

	if (!path[0])
		return 0;
	f = fopen(path, "re");
	if (!f)
		return errbuf_set(err, -errno, "%s: %s: %s", key, path, strerror(errno));
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "-----BEGIN CERTIFICATE-----") != NULL;
	fclose(f);
	return found ? 0 : errbuf_set(err, -EINVAL, "%s: %s: holds no certificate, allowed: PEM", key, path);
}

const char *conffile_state_dir(void)
{
	const char *folder = getenv("STATE_DIRECTORY");

	return folder && folder[0] ? folder : "/var/lib/hearth";
}
