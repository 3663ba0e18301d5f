/*
 * What ashlar-early decides, on values: which slot is given up, which one is started next, and with which
 * generation this one goes on. Nothing here touches a disk; early writes what is marked as changed, slots
 * first, and does what was decided.
 */
#ifndef ASHLAR_BOOT_DECIDE_H
#define ASHLAR_BOOT_DECIDE_H

#include <stdbool.h>

#include "ashlar/boot-order.h"
#include "ashlar/generation.h"
#include "ashlar/slot.h"

enum { DECIDE_A, DECIDE_B, DECIDE_RECOVERY, DECIDE_SLOTS }; /* as in slot_names */

struct decide {
	struct slot_header slots[DECIDE_SLOTS];
	bool is_changed[DECIDE_SLOTS];
	int booted;
	struct boot_order order; /* to be written, without a try */
	bool is_order_changed;
};

/* What decide_generation() says is to be done. */
enum decide_step {
	DECIDE_STEP_RUN,       /* with the current generation */
	DECIDE_STEP_FIRST,     /* none yet: make one */
	DECIDE_STEP_TRIAL,     /* make a copy of *ret_number (0: of nothing), on trial */
	DECIDE_STEP_FALL_BACK, /* make *ret_number the current one */
	DECIDE_STEP_COPY,      /* make one from *ret_number, for this image */
	DECIDE_STEP_RESTART,   /* another slot */
};

/*
 * The slot was started, by a boot image for @root_hash: counts that. False: not this one, restart (the order
 * says where). Recovery is another matter.
 */
bool decide_start(struct decide *decide, const uint8_t root_hash[SLOT_SHA256_BYTES]);
/* The slot that was started cannot be used: it has failed, restart. */
void decide_unusable(struct decide *decide, const char *why);
/*
 * Recovery was started. False: the firmware or boot loader has forgotten (@order is all it knows) that there is
 * a good slot: it has been told, restart. True: stay.
 */
bool decide_recovery(struct decide *decide, const struct boot_order *order);
/* @current: 0: none. After decide_start(), for a slot that is not recovery. */
enum decide_step decide_generation(struct decide *decide, const struct generation *list,
	size_t count, uint32_t current, uint32_t *ret_number);
/* Whether the other slot is on trial and not the one that runs. */
bool decide_has_other_trial(const struct decide *decide);
/* That trial is over, unless it is about to be tried (@next, may be NULL). */
void decide_end_trial(struct decide *decide, const char *next);

#endif
