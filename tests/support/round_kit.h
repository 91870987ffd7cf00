/* Parts of the hub that round.c only has to call, at the right time and with the right things. Include it in test_round.c, behind
 * what stands for the hub there. */
#ifndef HEARTH_TESTS_ROUND_KIT_H
#define HEARTH_TESTS_ROUND_KIT_H

void money_step(struct hub *h, const struct snapshot *snap, const struct decisions *decided)
{
	assert_true(h == &hub && snap == &s && decided == &d);
}

void habits_observe(struct habits *b, const struct snapshot *snap)
{
	(void)b;
	assert_ptr_equal(snap, &s);
}

void money_publish_again(struct hub *h)
{
	assert_ptr_equal(h, &hub);
}

void savings_event(struct savings *v, int64_t at_utc_ms, double wh)
{
	(void)v;
	assert_true(at_utc_ms == utc_ms && wh >= 0);
	event_wh += wh;
}

void forecasting_observe(struct forecasting *f, const struct snapshot *at)
{
	(void)f;
	assert_ptr_equal(at, &s);
}

cJSON *forecasting_encode(const struct forecasting *f, int64_t at_utc_ms)
{
	(void)f;
	assert_int_equal(at_utc_ms, utc_ms);
	return cJSON_CreateObject();
}

bool planning_prices_differ(const struct planning *p, const struct price_series *import, const struct price_series *export, int64_t at)
{
	(void)p;
	(void)at;
	assert_true(import == &prices && export == &prices);
	return prices_differ;
}

void planning_expect(const struct planning *p, const struct snapshot *now, struct replan_expected *out)
{
	(void)p;
	(void)now;
	memset(out, 0, sizeof(*out));
}

#endif
