/* Configuration, profiles and secrets on a real disk: order of files, broken ones, modes. */
#include "io/conffile.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char folder[64];
static struct config cfg;
static struct config_errors errors;

static const char *in(const char *name)
{
	static char path[4][256];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", folder, name);
	return path[i];
}

static void put(const char *name, const char *text, size_t len, mode_t mode)
{
	FILE *f = fopen(in(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
	assert_int_equal(chmod(in(name), mode), 0);
}
#define PUT(name, text) put(name, text, sizeof(text) - 1, 0644)
#define PUT_MODE(name, text, mode) put(name, text, sizeof(text) - 1, mode)

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/hearth-conffile-XXXXXX");
	unsetenv("CREDENTIALS_DIRECTORY");
	setenv("HEARTH_PROFILES", HEARTH_SOURCE_DIR "/drivers/profiles", 1);
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int load(void)
{
	memset(&cfg, 0, sizeof(cfg));
	return conffile_load(in("hearth.conf"), &cfg, &errors);
}

static void test_order(void **state)
{
	(void)state;
	assert_int_equal(load(), -2);
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(errors.text[0], "hearth.conf: cannot be read: No such file"));

	PUT("hearth.conf", "[site]\nid = home\nreserve_pct = 10\n");
	assert_int_equal(load(), 0); /* no conf.d at all */
	mkdir(in("conf.d"), 0755);
	PUT("conf.d/20-b.conf", "[site]\nreserve_pct = 30\n");
	PUT("conf.d/10-a.conf", "[site]\nreserve_pct = 20\nfuse_a = 63\n");
	PUT("conf.d/30-c.conf.bak", "rubbish");
	PUT("conf.d/.40-d.conf", "rubbish");
	PUT("conf.d/README", "rubbish");
	assert_int_equal(load(), 0);
	assert_float_equal(cfg.site.reserve_pct, 30, 0);
	assert_float_equal(cfg.site.fuse_a, 63, 0);

	/* in the order of their names, whatever the folder's own order is */
	for (int i = 9; i > 0; i--) {
		char name[32], text[64];

		snprintf(name, sizeof(name), "conf.d/%d-x.conf", 30 + i * 7 % 10);
		put(name, text, (size_t)snprintf(text, sizeof(text), "[site]\nfuse_a = %d\n", i * 7 % 10), 0644);
	}
	assert_int_equal(load(), 0);
	assert_float_equal(cfg.site.fuse_a, 9, 0);

	/* errors of all files, and of files that cannot be read */
	PUT("conf.d/20-b.conf", "[site]\nreserve_pct = 300\n");
	PUT("hearth.conf", "[site]\nid = home\nreserve = 10\n");
	mkdir(in("conf.d/50-folder.conf"), 0755);
	assert_int_equal(load(), -22);
	assert_int_equal(errors.n, 3);
	assert_non_null(strstr(errors.text[0], "/hearth.conf:3: [site] reserve: unknown key, did you mean reserve_pct?"));
	assert_non_null(strstr(errors.text[1], "/conf.d/20-b.conf:2: [site] reserve_pct: 300 is outside 0..100 %"));
	assert_non_null(strstr(errors.text[2], "50-folder.conf: cannot be read: is not a file"));
	assert_string_equal(cfg.site.id, "");
}

static int load_device(const char *zone, const char *device)
{
	char text[1024];
	const int n = snprintf(text, sizeof(text), "[site]\nid = home\ntimezone = %s\n[bus house]\nhost = 127.0.0.1\n%s", zone, device);

	put("hearth.conf", text, (size_t)n, 0644);
	return load();
}

static void test_checks(void **state)
{
	(void)state;
	assert_int_equal(load_device("Europe/London", "[device grid]\nprofile = eastron-sdm630\nbus = house\nunit = 1\nroles = grid\n"
						      "[device battery]\nprofile = sunspec-storage\nbus = house\nunit = 2\n"
						      "[device car]\nprofile = keba-p30-p40\nbus = house\nunit = 3\n"
						      "[device sun]\nprofile = sunspec\nbus = house\nunit = 4\nroles = pv\n"), 0);
	assert_int_equal(cfg.device[0].roles, ROLE_GRID);
	assert_int_equal(cfg.device[1].roles, ROLE_BATTERY);
	assert_int_equal(cfg.device[2].roles, ROLE_CHARGER);
	assert_int_equal(cfg.device[3].roles, ROLE_PV);

	assert_int_equal(load_device("Europe/Lodnon", "[device grid]\nprofile = eastron-sdm360\nbus = house\nunit = 1\nroles = grid\n"
						      "[mqtt]\npassword_file = /nonexistent/password\n"), -22);
	assert_int_equal(errors.n, 3);
	assert_non_null(strstr(errors.text[0], ":3: [site] timezone: 'Europe/Lodnon' is not a time zone of this system, did you mean Europe/London?"));
	assert_non_null(strstr(errors.text[1], ":7: [device grid] profile: there is no usable profile 'eastron-sdm360', did you mean eastron-sdm630?"));
	assert_non_null(strstr(errors.text[2], ":12: [mqtt] password_file: the file cannot be used: No such file"));

	assert_int_equal(load_device("Europe/Nowhere", ""), -22); /* five letters from Athens */
	assert_non_null(strstr(errors.text[0], "is not a time zone of this system, allowed: IANA names"));
}

/* Certificates: others may read them; what is not there or no file is said before anything starts. */
static void test_plain_files(void **state)
{
	char text[600];

	(void)state;
	PUT_MODE("ca.pem", "x\n", 0644);
	snprintf(text, sizeof(text), "[mqtt]\nca_file = %s\n[flip]\nca_file = %s\n", in("ca.pem"), in("ca.pem"));
	assert_int_equal(load_device("UTC", text), 0);
	assert_int_equal(load_device("UTC", "[mqtt]\nca_file = /nope\ncert_file = /nope\nkey_file = /\n[flatpeak]\nca_file = /nope\n"), -22);
	assert_int_equal(errors.n, 4);
	assert_non_null(strstr(errors.text[0], "[mqtt] ca_file: the file cannot be used: No such file"));
	assert_non_null(strstr(errors.text[1], "[mqtt] cert_file: the file cannot be used: No such file"));
	assert_non_null(strstr(errors.text[2], "[mqtt] key_file: is not a file"));
	assert_non_null(strstr(errors.text[3], "[flatpeak] ca_file: the file cannot be used: No such file"));
	assert_int_equal(load_device("UTC", "[flip]\nwebhook_cert_file = /nope\nwebhook_key_file_tls = /nope\n"), 0); /* nothing reads them yet */
}

static void test_secret_modes(void **state)
{
	static const mode_t BAD[] = { 0644, 0640, 0660, 0604, 0700, 04600 }, GOOD[] = { 0600, 0400 };
	char text[400];

	(void)state;
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]) + sizeof(GOOD) / sizeof(GOOD[0]); i++) {
		const bool bad = i < sizeof(BAD) / sizeof(BAD[0]);
		const mode_t mode = bad ? BAD[i] : GOOD[i - sizeof(BAD) / sizeof(BAD[0])];
		char out[32];
		struct errbuf err = { "" };

		PUT_MODE("password", "hunter2\n", mode);
		snprintf(text, sizeof(text), "[mqtt]\npassword_file = %s\n", in("password"));
		assert_int_equal(load_device("UTC", text), bad ? -22 : 0);
		assert_int_equal(conffile_secret("mqtt-password", in("password"), out, sizeof(out), &err), bad ? -1 : 1);
		if (bad)
			assert_non_null(strstr(err.text, "allowed: 0600 or stricter"));
		else
			assert_string_equal(out, "hunter2");
		assert_null(strstr(err.text, "hunter2"));
	}
}

static void test_secret(void **state)
{
	struct errbuf err = { "" };
	char out[12];

	(void)state;
	assert_int_equal(conffile_secret("mqtt-password", "", out, sizeof(out), &err), 0);
	assert_int_equal(conffile_secret("mqtt-password", NULL, out, sizeof(out), &err), 0);
	assert_int_equal(conffile_secret("mqtt-password", in("none"), out, sizeof(out), &err), -2);
	PUT_MODE("empty", "\n", 0600);
	assert_int_equal(conffile_secret("mqtt-password", in("empty"), out, sizeof(out), &err), -22);
	PUT_MODE("nul", "a\0b", 0600);
	assert_int_equal(conffile_secret("mqtt-password", in("nul"), out, sizeof(out), &err), -22);
	assert_string_equal(out, "");
	PUT_MODE("long", "hunter2hunte", 0600); /* 12 and a NUL */
	assert_int_equal(conffile_secret("mqtt-password", in("long"), out, sizeof(out), &err), -27);
	assert_string_equal(out, "");
	PUT_MODE("long", "hunter2hunt", 0600);
	assert_int_equal(conffile_secret("mqtt-password", in("long"), out, sizeof(out), &err), 1);
	assert_int_equal(mkfifo(in("fifo"), 0600), 0);
	assert_int_equal(conffile_secret("mqtt-password", in("fifo"), out, sizeof(out), &err), -22); /* and does not hang */

	/* a credential wins over the file, whatever its mode; one that is missing leaves the file its chance */
	mkdir(in("credentials"), 0755);
	setenv("CREDENTIALS_DIRECTORY", in("credentials"), 1);
	assert_int_equal(conffile_secret("flip-token", in("long"), out, sizeof(out), &err), 1);
	PUT("credentials/flip-token", "cred\r\n");
	assert_int_equal(conffile_secret("flip-token", in("long"), out, sizeof(out), &err), 1);
	assert_string_equal(out, "cred");
	assert_int_equal(conffile_secret("flip-token", "", out, sizeof(out), &err), 1);
	assert_int_equal(conffile_secret("flip-oauth", "", out, sizeof(out), &err), 0);
}

static void test_profile(void **state)
{
	struct errbuf err = { "" };
	size_t len = 0;
	char *text = conffile_profile("keba-p30-p40", &len, &err);

	(void)state;
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	free(text);
	assert_null(conffile_profile("../profiles/keba-p30-p40", &len, &err));
	assert_null(conffile_profile("", &len, &err));
	assert_null(conffile_profile("keba-p30", &len, &err));
	assert_string_equal(err.text, "there is no profile 'keba-p30', did you mean keba-p30-p40?");
	setenv("HEARTH_PROFILES", folder, 1);
	PUT("broken.json", "{\"kind\":");
	PUT("kindless.json", "{}");
	PUT("odd.json", "{\"kind\":\"toaster\",\"also\":[1,\"fridge\"]}");
	PUT("meter.json", "{\"kind\":\"meter\"}");
	PUT("hybrid.json", "{\"kind\":\"battery\",\"also\":[\"inverter\",\"meter\"]}");
	assert_int_equal(load_device("UTC", "[device d]\nprofile = broken\nbus = house\nunit = 1\nroles = grid\n"), -22);
	assert_int_equal(load_device("UTC", "[device d]\nprofile = kindless\nbus = house\nunit = 1\nroles = grid\n"), -22);
	assert_int_equal(load_device("UTC", "[device d]\nprofile = odd\nbus = house\nunit = 1\nroles = grid\n"), -22);
	assert_int_equal(load_device("UTC", "[device d]\nprofile = meter\nbus = house\nunit = 1\nroles = grid\n"), 0);
	assert_int_equal(load_device("UTC", "[device d]\nprofile = meter\nbus = house\nunit = 1\nroles = grid\n"
					    "[device e]\nprofile = meter\nbus = house\nunit = 2\nroles = pv\n"), 0);
	assert_int_equal(load_device("UTC", "[device d]\nprofile = hybrid\nbus = house\nunit = 1\nroles = battery pv grid\n"), 0);
	assert_int_equal(load_device("UTC", "[device d]\nprofile = hybrid\nbus = house\nunit = 1\nroles = load\n"), -22);
}

static void test_state_dir(void **state)
{
	(void)state;
	unsetenv("STATE_DIRECTORY");
	assert_string_equal(conffile_state_dir(), "/var/lib/hearth");
	setenv("STATE_DIRECTORY", "", 1);
	assert_string_equal(conffile_state_dir(), "/var/lib/hearth");
	setenv("STATE_DIRECTORY", "/x", 1);
	assert_string_equal(conffile_state_dir(), "/x");
	unsetenv("STATE_DIRECTORY");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(test_order),   FRESH(test_checks),  FRESH(test_plain_files),  FRESH(test_secret_modes),
		FRESH(test_secret),  FRESH(test_profile), cmocka_unit_test(test_state_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
