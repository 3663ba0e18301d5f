/* Decisions at each start, on values only. */
#include <string.h>

#include "ashlar/str.h"

#include "decide.h"

#define TRIES_MAX 2 /* to tell a firmware what it seems to forget */

static void change(struct decide *decide, int slot)
{
	decide->is_changed[slot] = true;
}

static bool is_good(const struct decide *decide, int slot)
{
	return decide->slots[slot].sequence && decide->slots[slot].state == SLOT_STATE_GOOD;
}

static int other(const struct decide *decide)
{
	return decide->booted == DECIDE_A ? DECIDE_B : DECIDE_A;
}

/* @first, if it is good, then the others that are. */
static void order_slots(struct decide *decide, int first)
{
	decide->order = (struct boot_order){ 0 };
	if (is_good(decide, first))
		boot_order_add(&decide->order, slot_names[first]);
	for (int i = DECIDE_A; i <= DECIDE_B; i++)
		if (is_good(decide, i))
			boot_order_add(&decide->order, slot_names[i]);
	decide->is_order_changed = true;
}

void decide_unusable(struct decide *decide, const char *why)
{
	slot_set(&decide->slots[decide->booted], SLOT_STATE_FAILED, "%s", why);
	change(decide, decide->booted);
	order_slots(decide, other(decide));
}

bool decide_start(struct decide *decide, const uint8_t root_hash[SLOT_SHA256_BYTES])
{
	struct slot_header *slot = &decide->slots[decide->booted];

	if (slot->state == SLOT_STATE_EMPTY || slot->state == SLOT_STATE_FAILED) {
		order_slots(decide, other(decide));
		return false;
	}
	if (memcmp(slot->root_hash, root_hash, SLOT_SHA256_BYTES)) {
		decide_unusable(decide, "the boot image was made for another root image");
		return false;
	}
	if (slot->state == SLOT_STATE_TRIAL && slot->attempts) {
		decide_unusable(decide, "started again without having been confirmed");
		return false;
	}
	if (slot->attempts >= SLOT_ATTEMPTS_MAX) {
		decide_unusable(decide, "started three times in a row without becoming healthy");
		return false;
	}
	slot->attempts++;
	change(decide, decide->booted);
	return true;
}

bool decide_recovery(struct decide *decide, const struct boot_order *order)
{
	struct slot_header *recovery = &decide->slots[DECIDE_RECOVERY];
	bool is_forgotten = false;
	int first = DECIDE_A;

	for (int i = DECIDE_A; i <= DECIDE_B; i++)
		is_forgotten |= is_good(decide, i) && !boot_order_has(order, slot_names[i]);
	if (!is_forgotten || recovery->attempts >= TRIES_MAX)
		return true;
	if (is_good(decide, DECIDE_B) &&
		decide->slots[DECIDE_B].generation > decide->slots[DECIDE_A].generation)
		first = DECIDE_B;
	order_slots(decide, first);
	recovery->attempts++;
	change(decide, DECIDE_RECOVERY);
	return false;
}

/* --- generations ---------------------------------------------------------------------------------- */

static bool has_image(const struct generation *generation, const struct slot_header *slot)
{
	char hex[2 * SLOT_SHA256_BYTES + 1];

	str_hex(hex, slot->sha256, SLOT_SHA256_BYTES);
	return str_equal(generation->image, hex);
}

static const struct generation *find(const struct generation *list, size_t count, uint32_t number)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].number == number)
			return &list[i];
	return NULL;
}

/* The newest that was confirmed, with the image of @slot (NULL: any); 0: there is none. */
static uint32_t newest(const struct generation *list, size_t count, const struct slot_header *slot)
{
	for (size_t i = count; i-- > 0;)
		if (!list[i].is_trial && (!slot || has_image(&list[i], slot)))
			return list[i].number;
	return 0;
}

/* The slot runs with generation @number: it is good, and whoever has lost the boot order learns it from here. */
static void settle(struct decide *decide, uint32_t number)
{
	struct slot_header *slot = &decide->slots[decide->booted];

	if (slot->state == SLOT_STATE_TRIAL) { /* the power went between the commit and this */
		slot_set(slot, SLOT_STATE_GOOD, "confirmed");
		change(decide, decide->booted);
		order_slots(decide, decide->booted);
	}
	if (slot->generation != number) {
		slot->generation = number;
		change(decide, decide->booted);
	}
}

/* The other slot has the image of the current generation: there, unless it was tried often enough. */
static bool go_there(struct decide *decide)
{
	int slot = other(decide);
	struct slot_header *header = &decide->slots[slot];

	if (header->state == SLOT_STATE_TRIAL) {
		slot_set(header, SLOT_STATE_GOOD, "confirmed");
		header->attempts = 0;
	} else if (!is_good(decide, slot)) {
		return false;
	} else if (header->attempts >= SLOT_ATTEMPTS_MAX) {
		slot_set(header, SLOT_STATE_FAILED, "could not be started");
		change(decide, slot);
		return false;
	} else {
		header->attempts++;
	}
	change(decide, slot);
	order_slots(decide, slot);
	return true;
}

enum decide_step decide_generation(struct decide *decide, const struct generation *list,
	size_t count, uint32_t current, uint32_t *ret_number)
{
	const struct generation *generation = find(list, count, current);
	const struct slot_header *slot = &decide->slots[decide->booted];

	*ret_number = current;
	if (generation && has_image(generation, slot)) {
		settle(decide, current);
		return DECIDE_STEP_RUN;
	}
	if (slot->state == SLOT_STATE_TRIAL)
		return DECIDE_STEP_TRIAL;
	if (generation && has_image(generation, &decide->slots[other(decide)]) && go_there(decide))
		return DECIDE_STEP_RESTART;
	order_slots(decide, decide->booted);
	*ret_number = newest(list, count, slot);
	if (*ret_number) {
		settle(decide, *ret_number);
		return DECIDE_STEP_FALL_BACK;
	}
	*ret_number = generation ? current : newest(list, count, NULL);
	return *ret_number ? DECIDE_STEP_COPY : DECIDE_STEP_FIRST;
}

bool decide_has_other_trial(const struct decide *decide)
{
	return decide->slots[other(decide)].state == SLOT_STATE_TRIAL;
}

void decide_end_trial(struct decide *decide, const char *next)
{
	int slot = other(decide);

	if (!decide_has_other_trial(decide) || str_equal(next, slot_names[slot]))
		return;
	slot_set(&decide->slots[slot], SLOT_STATE_FAILED, "%s",
		decide->slots[slot].attempts ? "it was not confirmed" : "it did not start");
	change(decide, slot);
}
