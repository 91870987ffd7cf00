/* What a device may send: PDU bytes against a request, words as every type, and a point table with refusals. */
#include "drivers/modbus/pdu.h"
#include "drivers/modbus/plan.h"
#include "drivers/modbus/regs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void answers(const uint8_t *data, size_t size)
{
	struct modbus_request r = { .fc = data[0], .address = pdu_word(data + 1), .count = pdu_word(data + 3) }, before;
	uint8_t pdu[PDU_MAX];
	enum request_status status;

	if (!pdu_valid(&r))
		return;
	must(pdu_build(&r, pdu) <= PDU_MAX);
	if (size >= 7)
		must(pdu_answer_whole(data + 5) >= 2 && pdu_answer_whole(data + 5) <= 257);
	before = r;
	status = pdu_answer(&r, data + 5, (int)(size - 5));
	must(status <= REQUEST_EXCEPTION_LAST || status == REQUEST_BAD_ANSWER);
	if (status <= REQUEST_EXCEPTION_LAST) /* what is accepted is what would have been waited for */
		must(pdu_answer_whole(data + 5) == (int)(size - 5));
	if (status != REQUEST_OK)
		must(!memcmp(&r, &before, sizeof(r)));
}

static void numbers(const uint8_t *data, size_t size)
{
	struct reg_format f = { .type = (enum reg_type)(data[0] % (REG_TYPES + 1)), .order = (enum reg_order)(data[1] & 1),
				.sunspec = data[1] & 2, .zero_absent = data[1] & 4, .has_nan = data[1] & 8, .nan = data[2],
				.scale = data[1] & 16 ? 0 : (double)(int8_t)data[3] / 7 };
	uint16_t words[64], back[4];
	char text[80];
	double v, again;
	int n = 0;

	for (; n < 64 && 5 + 2 * n < (int)size; n++)
		words[n] = pdu_word(data + 4 + 2 * n);
	must(reg_text(words, n, text, 1 + data[1] % sizeof(text)) <= 79);
	if (reg_decode(&f, words, n, &v))
		return;
	must(isfinite(v));
	if (!reg_encode(&f, v, back, 4))
		must(!reg_decode(&f, back, 4, &again) && fabs(again) <= fabs(v) * (1 + 1e-8) + 1e-300);
}

static void plans(const uint8_t *data, size_t size)
{
	struct plan_point points[48];
	struct plan_read reads[48];
	struct plan_memory memory = { 0 };
	struct plan_limits limits = { .max_regs = data[0], .hole = data[1] % 8, .single_reads = data[2] & 1 };
	int n = 0, found, max = limits.max_regs && limits.max_regs < REQUEST_WORDS_MAX ? limits.max_regs : REQUEST_WORDS_MAX;

	for (; n < 48 && 4 + 4 * n + 3 < (int)size; n++)
		points[n] = (struct plan_point){ (uint8_t)(data[4 + 4 * n] % 6), pdu_word(data + 5 + 4 * n), data[7 + 4 * n] };
	for (int round = 0; round < 8; round++) {
		found = plan_reads(points, n, &limits, &memory, reads, 48);
		if (found < 0)
			return;
		for (int i = 0; i < found; i++) {
			bool alone = false;

			must(reads[i].count >= 1 && reads[i].address + reads[i].count <= 65536);
			for (int k = 0; k < n; k++)
				alone |= points[k].address == reads[i].address && points[k].count == reads[i].count;
			must(reads[i].count <= max || alone);
		}
		for (int k = 0; !memory.n_dead && k < n; k++) {
			bool covered = false;

			for (int i = 0; i < found; i++) {
				struct modbus_request r;

				plan_request(&reads[i], 0, &r);
				covered |= plan_words(&r, &points[k]) != NULL;
			}
			must(covered);
		}
		if (found)
			plan_refused(&memory, points, n, &reads[data[3] % found]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 6 || size > 2000)
		return 0;
	if (data[0] % 3 == 0)
		answers(data + 1, size - 1);
	else if (data[0] % 3 == 1)
		numbers(data + 1, size - 1);
	else
		plans(data + 1, size - 1);
	return 0;
}
