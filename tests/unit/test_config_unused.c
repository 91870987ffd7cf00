/* Keys that are accepted and do nothing yet: said in a sentence each when they are set, and never otherwise. */
#include "core/config.h"
#include "core/config_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct config cfg;
static struct config_errors errors;

#define HOME "[site]\nid = home-0042\n[bus house]\nhost = 127.0.0.1\n[device grid]\nprofile = meter\nbus = house\nunit = 10\nroles = grid\n"

static int parse(const char *text)
{
	const struct config_file f[] = { { "a.conf", HOME, strlen(HOME) }, { "b.conf", text, strlen(text) } };

	memset(&cfg, 0, sizeof(cfg));
	return config_parse(f, 2, NULL, NULL, &cfg, &errors);
}

#define FLIP_WITHOUT "[flip] no device has flip_device_id: no telemetry is sent and no command can arrive"

/* Each row: what is set, and the only sentences that come of it. */
static void test_unused(void **state)
{
	static const struct { const char *text, *want[3]; } UNUSED[] = {
		{ "", { NULL } },
		{ "[flip]\nmode = off\n[flatpeak]\nmode = off\n[tariff]\nimport_file =\n", { NULL } }, /* as they are anyway */
		{ "[flip]\nmode = queue\nwebhook_key_file = /a/key\n", { FLIP_WITHOUT } },
		{ "[flip]\nmode = queue\n[device b]\nprofile = battery\nbus = house\nunit = 1\nflip_device_id = me\nenabled = no\n", { FLIP_WITHOUT } },
		{ "[flip]\nmode = queue\n[device b]\nprofile = battery\nbus = house\nunit = 1\nflip_device_id = me\n", { NULL } },
		{ "[flip]\nmode = queue\n[device b]\nprofile = battery\nbus = house\nunit = 1\nflip_device_id = me\npoll_ms = 20000\n",
		  { "[device b] poll_ms above 15000: Flip is told it is offline" } },
		{ "[flip]\nmode = direct\ntoken_file = /a/token\n", { FLIP_WITHOUT } },
		{ "[flip]\noauth_client_id = me\nportal_url = https://a.example\n",
		  { "[flip] oauth_client_id = me has no effect in this version",
		    "[flip] portal_url = https://a.example has no effect in this version" } },
		{ "[flatpeak]\nmode = pushed\n", { "[flatpeak] mode = pushed has no effect in this version" } },
		{ "[flatpeak]\nmode = direct\naccount_id = a\nlocation_id = l\nvat_multiplier = 1.05\n", { NULL } },
		{ "[flatpeak]\nmode = direct\n", { "[flatpeak] mode = direct needs account_id and location_id: no prices are asked for without" } },
		{ "[flatpeak]\nmode = direct\naccount_id = a\n", { "[flatpeak] mode = direct needs location_id: no prices are asked for without" } },
		{ "[flatpeak]\nmode = direct\nlocation_id = l\n", { "[flatpeak] mode = direct needs account_id: no prices are asked for without" } },
		{ "[flatpeak]\naccount_id = a\n", { NULL } }, /* off */
		{ "[tariff]\nimport = 0.3\ncurrency = GBP\nstanding_charge_per_day = 0.5\nexport_file = /a/file\n",
		  { "[tariff] export_file = /a/file has no effect in this version" } },
		{ "[plan]\ndemand_target_w = 4000\n[outbox]\ntelemetry_interval_s = 60\n", { NULL } },
		{ "[site]\nlimit_failsafe_import_w = 0\nlimit_failsafe_export_w = 0\n",
		  { "[site] limit_failsafe_import_w has no effect without limit_heartbeat_s",
		    "[site] limit_failsafe_export_w has no effect without limit_heartbeat_s" } },
		{ "[site]\nlimit_failsafe_import_w = 4200\nlimit_heartbeat_s = 120\n", { NULL } },
		{ "[device a-very-long-name-of-31-letters]\nprofile = battery\nbus = house\nunit = 1\nserial = 0\ninstall_date = 2026-01-02\n",
		  { "[device a-very-long-name-of-31-letters] serial = 0 has no effect in this version",
		    "[device a-very-long-name-of-31-letters] install_date = 2026-01-02 has no effect in this version" } },
		/* of another kind of device */
		{ "[device store]\nprofile = battery\nbus = house\nunit = 1\nroles = battery\ntilt_deg = 0\nazimuth_deg = 180\n",
		  { "[device store] tilt_deg has no effect: it is for PV", "[device store] azimuth_deg has no effect: it is for PV" } },
		{ "[device sun]\nprofile = inverter\nbus = house\nunit = 1\nroles = pv\nmirror_reserve = yes\nfailsafe_a = 16\n",
		  { "[device sun] mirror_reserve has no effect: it is for batteries", "[device sun] failsafe_a has no effect: it is for chargers" } },
		{ "[device sun]\nprofile = inverter\nbus = house\nunit = 1\nroles = pv\nmirror_reserve = no\nfailsafe_a = 6\npeak_w = 5000\n", { NULL } },
		{ "[device car]\nprofile = box\nbus = house\nunit = 1\nroles = charger\nmirror_reserve = yes\nfailsafe_a = 0\npeak_w = 5000\n",
		  { "[device car] mirror_reserve has no effect: it is for batteries", "[device car] peak_w has no effect: it is for PV" } },
		{ "[device b]\nprofile = box\nbus = house\nunit = 1\nroles = battery\nmirror_reserve = yes\ncapacity_wh = 5000\nsoc_min_pct = 5\nsoc_max_pct = 95\n", { NULL } },
		{ "[device b]\nprofile = box\nbus = house\nunit = 1\nroles = battery pv\nmirror_reserve = yes\npeak_w = 5000\n", { NULL } },
		{ "[device sun]\nprofile = inverter\nbus = house\nunit = 1\nroles = pv\nenabled = no\nfailsafe_a = 16\n", { NULL } },
		{ "[device sun]\nprofile = inverter\nbus = house\nunit = 1\nfailsafe_a = 16\n", { NULL } }, /* nobody knows what it is */
		{ "[flip]\nportal_url = https://a-name-that-goes-on-and-on.and-on-and-on.example/with/a/path\n",
		  { "[flip] portal_url has no effect in this version" } },
	};
	char out[8][CONFIG_UNUSED_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(UNUSED) / sizeof(UNUSED[0]); i++) {
		int n, want = 0;

		assert_int_equal(parse(UNUSED[i].text), 0);
		n = config_unused(&cfg, out, 8);
		while (UNUSED[i].want[want])
			want++;
		if (n != want)
			fail_msg("%s: %d sentences, the first: %s", UNUSED[i].text, n, n ? out[0] : "");
		for (int k = 0; k < n; k++)
			assert_string_equal(out[k], UNUSED[i].want[k]);
	}
	assert_int_equal(parse("[flip]\noauth_client_id = me\nportal_url = https://a.example\n"), 0);
	assert_int_equal(config_unused(&cfg, out, 1), 1);
	assert_int_equal(config_unused(&cfg, out, 0), 0);
}

/* A default that config_unused would not know again would be named in every home. */
static void test_defaults_silent(void **state)
{
	(void)state;
	for (int s = 0; s < CONFIG_SECTIONS; s++) {
		for (int k = 0; k < CONFIG_TABLE[s].n_rows; k++) {
			const struct config_row *row = &CONFIG_TABLE[s].rows[k];
			static char memory[sizeof(struct config)];
			char text[2048];

			if (!(row->flags & (CF_LATER | CF_LATER_PUSHED)) || (row->type == CT_NUMBER && !row->fallback[0]))
				continue;
			assert_int_equal(config_value_set(row, memory, row->fallback, NULL), 0);
			assert_true(config_value_text(row, memory, text, sizeof(text)));
			assert_string_equal(text, row->fallback);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_unused), cmocka_unit_test(test_defaults_silent) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
