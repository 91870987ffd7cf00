/* See model.h. The tables carry over names, offsets and types of the official model files (commit 7abdf89);
 * test_sunspec_models compares them with those files. Only what the hub reads or writes is here. */
#include "drivers/sunspec/model.h"

#include <string.h>

/* clang-format off */
#define U16(name, offset, sf) { name, offset, REG_UINT16, sf, 0, false }
#define I16(name, offset, sf) { name, offset, REG_INT16, sf, 0, false }
#define E16(name, offset) { name, offset, REG_ENUM16, 0, 0, false }
#define B16(name, offset) { name, offset, REG_BITS16, 0, 0, false }
#define U32(name, offset, sf) { name, offset, REG_UINT32, sf, 0, false }
#define I32(name, offset, sf) { name, offset, REG_INT32, sf, 0, false }
#define B32(name, offset) { name, offset, REG_BITS32, 0, 0, false }
#define U64(name, offset, sf) { name, offset, REG_UINT64, sf, 0, false }
#define A32(name, offset, sf) { name, offset, REG_UINT32, sf, 0, true }
#define F32(name, offset) { name, offset, REG_FLOAT32, 0, 0, false }
#define STR(name, offset, words) { name, offset, REG_STRING, 0, words, false }
#define TABLE(id, span, points) { id, span, points, (int)(sizeof(points) / sizeof((points)[0])) }

static const struct sunspec_point COMMON[] = {
	STR("Mn", 2, 16), STR("Md", 18, 16), STR("Vr", 42, 8), STR("SN", 50, 16),
};

static const struct sunspec_point INVERTER_INT[] = { /* 101, 102, 103 */
	U16("A", 2, 6), U16("AphA", 3, 6), U16("AphB", 4, 6), U16("AphC", 5, 6),
	U16("PhVphA", 10, 13), U16("PhVphB", 11, 13), U16("PhVphC", 12, 13),
	I16("W", 14, 15), U16("Hz", 16, 17), A32("WH", 24, 26), I16("DCW", 31, 32),
	I16("TmpCab", 33, 37), E16("St", 38), B32("Evt1", 40),
};

static const struct sunspec_point INVERTER_FLOAT[] = { /* 111, 112, 113 */
	F32("A", 2), F32("AphA", 4), F32("AphB", 6), F32("AphC", 8),
	F32("PhVphA", 16), F32("PhVphB", 18), F32("PhVphC", 20),
	F32("W", 22), F32("Hz", 24), F32("WH", 32), F32("DCW", 38),
	F32("TmpCab", 40), E16("St", 48), B32("Evt1", 50),
};

static const struct sunspec_point NAMEPLATE[] = { /* 120 */
	E16("DERTyp", 2), U16("WRtg", 3, 4), U16("WHRtg", 19, 20), U16("MaxChaRte", 23, 24), U16("MaxDisChaRte", 25, 26),
};

static const struct sunspec_point SETTINGS[] = { /* 121 */
	U16("WMax", 2, 22),
};

static const struct sunspec_point STATUS[] = { /* 122 */
	B16("StorConn", 3), B16("ECPConn", 4),
};

static const struct sunspec_point IMMEDIATE[] = { /* 123 */
	E16("Conn", 4), U16("WMaxLimPct", 5, 23), U16("WMaxLimPct_WinTms", 6, 0), U16("WMaxLimPct_RvrtTms", 7, 0),
	U16("WMaxLimPct_RmpTms", 8, 0), E16("WMaxLim_Ena", 9),
};

static const struct sunspec_point STORAGE[] = { /* 124 */
	U16("WChaMax", 2, 18), B16("StorCtl_Mod", 5), U16("MinRsvPct", 7, 21), U16("ChaState", 8, 22),
	U16("InBatV", 10, 24), E16("ChaSt", 11), I16("OutWRte", 12, 25), I16("InWRte", 13, 25),
	U16("InOutWRte_WinTms", 14, 0), U16("InOutWRte_RvrtTms", 15, 0), U16("InOutWRte_RmpTms", 16, 0), E16("ChaGriSet", 17),
};

static const struct sunspec_point MPPT[] = { /* 160; module points stand as in its first module */
	U16("N", 8, 0), STR("IDStr", 11, 8), U16("DCA", 19, 2), U16("DCV", 20, 3), U16("DCW", 21, 4), A32("DCWH", 22, 5),
};

static const struct sunspec_point METER_INT[] = { /* 201-204 */
	I16("A", 2, 6), I16("AphA", 3, 6), I16("AphB", 4, 6), I16("AphC", 5, 6),
	I16("PhVphA", 8, 15), I16("PhVphB", 9, 15), I16("PhVphC", 10, 15), I16("Hz", 16, 17),
	I16("W", 18, 22), I16("WphA", 19, 22), I16("WphB", 20, 22), I16("WphC", 21, 22),
	I16("PF", 33, 37), A32("TotWhExp", 38, 54), A32("TotWhImp", 46, 54),
};

static const struct sunspec_point METER_FLOAT[] = { /* 211-214 */
	F32("A", 2), F32("AphA", 4), F32("AphB", 6), F32("AphC", 8),
	F32("PhVphA", 12), F32("PhVphB", 14), F32("PhVphC", 16), F32("Hz", 26),
	F32("W", 28), F32("WphA", 30), F32("WphB", 32), F32("WphC", 34),
	F32("PF", 52), F32("TotWhExp", 60), F32("TotWhImp", 68),
};

static const struct sunspec_point DER_AC[] = { /* 701 */
	E16("St", 3), E16("InvSt", 4), E16("ConnSt", 5), B32("Alrm", 6), I16("W", 10, 116), U32("Hz", 17, 115),
	U64("TotWhInj", 19, 120), U64("TotWhAbs", 23, 120), I16("TmpCab", 36, 122),
};

static const struct sunspec_point DER_CAPACITY[] = { /* 702 */
	U16("WMaxRtg", 2, 45), U16("WChaRteMaxRtg", 10, 45), U16("WDisChaRteMaxRtg", 11, 45),
	U16("WMax", 26, 45), U16("WChaRteMax", 34, 45), U16("WDisChaRteMax", 35, 45),
};

static const struct sunspec_point DER_CONTROL[] = { /* 704 */
	E16("WMaxLimPctEna", 14), U16("WMaxLimPct", 15, 54), U16("WMaxLimPctRvrt", 16, 54), E16("WMaxLimPctEnaRvrt", 17),
	U32("WMaxLimPctRvrtTms", 18, 0), U32("WMaxLimPctRvrtRem", 20, 0),
	E16("WSetEna", 22), E16("WSetMod", 23), I32("WSet", 24, 55), I32("WSetRvrt", 26, 55), I16("WSetPct", 28, 56),
	E16("WSetEnaRvrt", 30), U32("WSetRvrtTms", 31, 0), U32("WSetRvrtRem", 33, 0),
};

static const struct sunspec_point DER_STORAGE[] = { /* 713 */
	U16("WHRtg", 2, 7), U16("WHAvail", 3, 7), U16("SoC", 4, 8), U16("SoH", 5, 8), E16("Sta", 6),
};

static const struct sunspec_point BATTERY[] = { /* 802 */
	U16("WHRtg", 3, 53), U16("WChaRteMax", 4, 54), U16("WDisChaRteMax", 5, 54), U16("SoCRsvMin", 10, 56), U16("SoC", 11, 56), U16("SoH", 13, 58),
	E16("ChaSt", 16), E16("LocRemCtl", 17), E16("State", 22), U16("V", 34, 59), I16("A", 44, 61), I16("W", 47, 63),
};

/* The span of 701 ends behind its scale factors: all 155 registers do not fit one request. */
static const struct sunspec_model MODELS[] = {
	TABLE(1, 66, COMMON),
	TABLE(101, 52, INVERTER_INT), TABLE(102, 52, INVERTER_INT), TABLE(103, 52, INVERTER_INT),
	TABLE(111, 52, INVERTER_FLOAT), TABLE(112, 52, INVERTER_FLOAT), TABLE(113, 52, INVERTER_FLOAT),
	TABLE(120, 27, NAMEPLATE), TABLE(121, 23, SETTINGS), TABLE(122, 5, STATUS), TABLE(123, 24, IMMEDIATE), TABLE(124, 26, STORAGE), TABLE(160, 0, MPPT),
	TABLE(201, 55, METER_INT), TABLE(202, 55, METER_INT), TABLE(203, 55, METER_INT), TABLE(204, 55, METER_INT),
	TABLE(211, 70, METER_FLOAT), TABLE(212, 70, METER_FLOAT), TABLE(213, 70, METER_FLOAT), TABLE(214, 70, METER_FLOAT),
	TABLE(701, 123, DER_AC), TABLE(702, 46, DER_CAPACITY), TABLE(704, 59, DER_CONTROL), TABLE(713, 9, DER_STORAGE),
	TABLE(802, 64, BATTERY),
};

/* clang-format on */

const struct sunspec_model *sunspec_models(int *n)
{
	*n = (int)(sizeof(MODELS) / sizeof(MODELS[0]));
	return MODELS;
}

const struct sunspec_model *sunspec_model_find(uint16_t id)
{
	for (size_t i = 0; i < sizeof(MODELS) / sizeof(MODELS[0]); i++)
		if (MODELS[i].id == id)
			return &MODELS[i];
	return NULL;
}

const struct sunspec_point *sunspec_point_find(const struct sunspec_model *model, const char *name)
{
	for (int i = 0; i < model->n; i++)
		if (!strcmp(model->points[i].name, name))
			return &model->points[i];
	return NULL;
}
