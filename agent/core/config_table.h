/* Inside of config*.c: the table of every section and key, and the values behind it. Others include core/config.h. */
#ifndef HEARTH_CORE_CONFIG_TABLE_H
#define HEARTH_CORE_CONFIG_TABLE_H

#include "core/config.h"
#include "core/err.h"

enum config_type {
	CT_TEXT,     /* any text that fits */
	CT_ID,       /* [a-z0-9-]{1,32} */
	CT_PROFILE,  /* file name without folder and .json */
	CT_TOPIC,    /* MQTT topic levels, no wildcards */
	CT_HOST,     /* host name, address, or a path starting with '/' */
	CT_PATH,     /* absolute path */
	CT_SECRET,   /* absolute path of a file with mode 0600 or stricter */
	CT_URL,      /* https, or http for loopback */
	CT_LISTEN,   /* ADDR:PORT */
	CT_DATE,     /* YYYY-MM-DD */
	CT_CURRENCY, /* ISO 4217 letters */
	CT_ZONE,     /* IANA time zone */
	CT_WORD,     /* one of members, kept as text */
	CT_CHOICE,   /* one of members, kept as its index in an int-sized enum; an empty member is never offered */
	CT_SWITCH,   /* one of two members, kept as bool: the second is true */
	CT_BOOL,     /* yes | no */
	CT_INT,      /* int in min..max, and of members when there are any */
	CT_NUMBER,   /* double in min..max; "" as default is NAN = not set */
	CT_ROLES,    /* list of members, kept as bits in that order */
	CT_FORMAT,   /* 8N1, in the three members of struct config_bus */
	CT_TARIFF,   /* a number or windows, see tariff_parse */
};

enum config_flag {
	CF_REQUIRED = 1, /* must be written wherever its section is */
	CF_ZERO = 2,     /* 0 is allowed too, though outside min..max */
	CF_TCP = 4,      /* means something for a bus of type = tcp only */
	CF_RTU = 8,
	CF_LATER = 16,        /* accepted, and nothing reads it yet: config_unused names it, hearth.conf(5) says so */
	CF_LATER_PUSHED = 32, /* the same for its choice "pushed" only */
};

struct config_row {
	const char *key;
	enum config_type type;
	unsigned flags;
	size_t offset;         /* within the section's struct */
	double min, max;
	const char *members;   /* "off|direct|queue" */
	const char *fallback;  /* text of the default; NULL = zeroed, or must be written */
	const char *unit;
	uint32_t change;       /* bits of enum config_change */
	const char *help;      /* half a sentence, for `config show` */
};

#define CONFIG_ROWS_MAX 32

struct config_section {
	const char *name;
	bool named;                    /* [bus house] */
	size_t offset, size;           /* within struct config; size of one for named ones */
	const struct config_row *rows;
	int n_rows;
	const char *help;
};

#define CONFIG_SECTIONS 9
enum { CS_SITE, CS_MQTT, CS_BUS, CS_DEVICE, CS_FLIP, CS_FLATPEAK, CS_TARIFF, CS_PLAN, CS_OUTBOX };
extern const struct config_section CONFIG_TABLE[CONFIG_SECTIONS];

/** The struct of a section; @i counts the named ones. */
void *config_base(const struct config *c, int section, int i);
/** How many there are of a section, and what one is called ("" where it has no name). */
int config_instances(const struct config *c, int section);
const char *config_instance_name(const struct config *c, int section, int i);
/** Whether the key says something there: a serial line has no port, a host no baud. */
bool config_row_means(const struct config *c, int section, int i, const struct config_row *row);

/* config_value.c and config_print.c: one value, text <-> struct. */
/** Copies member @i of "a|b|c"; false behind the last. An empty member is a hole in the numbering. */
bool config_member(const char *members, int i, char *out, size_t size);
/** 0 or -EINVAL with "what is wrong, what is allowed". */
int config_value_set(const struct config_row *row, void *base, const char *text, struct errbuf *err);
/** Writes the value so that config_value_set understands it; false when it is not set. */
bool config_value_text(const struct config_row *row, const void *base, char *out, size_t size);
bool config_value_equal(const struct config_row *row, const void *a, const void *b);
/** True for [a-z0-9-]{1,32}. */
bool config_id_valid(const char *text);

/* The state of one parse: where everything was written, and the errors in the order of the files. */
struct config_origin { int file, line; };  /* line 0 = not written */

#define CONFIG_INSTANCES (CONFIG_SECTIONS + CONFIG_BUS_MAX + DEVICE_MAX)

struct config_parse {
	const struct config_file *files;
	int n_files;
	const struct config_checks *checks;
	struct config *c;
	struct config_errors *errors;
	struct config_origin error_at[CONFIG_ERRORS_MAX];
	struct config_origin section_at[CONFIG_INSTANCES];              /* first line of each section */
	struct config_origin key_at[CONFIG_INSTANCES][CONFIG_ROWS_MAX];
	bool key_bad[CONFIG_INSTANCES][CONFIG_ROWS_MAX];                /* reported already: no cross check */
	bool bus_refused;                                               /* a [bus ...] was refused: do not blame its users */
	/* the reader */
	int file, line;
	size_t at;
	int section, index;                                             /* -1 = none, or refused: its keys are skipped */
};

/** Number of a section's instance in the arrays above. */
int config_instance(int section, int i);
/** Index of a key in its section's rows; -1 when there is none. */
int config_row_index(int section, const char *key);
void config_error(struct config_parse *p, struct config_origin at, int section, const char *name, const char *key,
		  const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/** What no single value shows: references, duplicates, roles, ranges against each other. */
void config_check(struct config_parse *p);
/** A sentence for every key that is set, but for another kind of device than its own; at most @max. Roles are resolved. */
int config_idle_keys(const struct config *c, char out[][CONFIG_UNUSED_TEXT], int max);

#endif
