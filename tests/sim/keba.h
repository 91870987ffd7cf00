/* KEBA KeContact P30/P40 register map: single 32-bit values by FC 3, 16-bit orders by FC 6, and the failsafe timer that
 * really runs down when nobody writes. The car is car.h's. Pure. */
#ifndef HEARTH_SIM_KEBA_H
#define HEARTH_SIM_KEBA_H

#include "sim/unit.h"

#define KEBA_VALUES_MAX 26
#define KEBA_HARDWARE_MA 16000

struct keba {
	bool p40;
	bool enabled;         /* 5014, P30 only */
	uint16_t set_ma;      /* 5004 */
	uint16_t failsafe_ma; /* 5016 */
	uint16_t failsafe_s;  /* 5018; 0 = off */
	bool persisted;       /* 5020 */
	double failsafe_left_s;
	bool failed_safe;          /* the timer ran out; any write ends it */
	uint16_t phase_source;     /* 5050; 3 = Modbus */
	bool three_phase;          /* 5052 */
	bool no_contactor;         /* a P30 without S10: 5052 is taken, and nothing moves */
	bool three_closed;         /* what the contactor really does */
	bool drawing;              /* current flows, as last seen */
	bool phase_fault;          /* it was switched under current: out of order until somebody sees to it */
	uint32_t phase_switches, switched_hot;
	uint32_t session_limit_wh; /* 5010 in Wh; 0 = none */
	struct {
		uint16_t address;
		uint32_t value;
	} values[KEBA_VALUES_MAX];
	int n_values;
};

void keba_init(struct keba *k, bool p40);

/** Current offered to the car at this moment, mA; 0 = suspended. */
int keba_offer_ma(const struct keba *k);

/** Another hand at the box: who switches phases (0..4), a contactor or none, the fault seen to. */
void keba_service(struct keba *k, int phase_source, bool contactor, bool phase_fault);

extern const struct unit_ops KEBA_OPS;

#endif
