/*
 * The software that runs: which slot and which generation it is, whether it is on trial, and the ways on and
 * back. On a machine that was not started by ashlar-early there is no slot, and nothing here does anything.
 *
 * What touches a disk is done by a child process, one at a time; what is known is in memory, and is read again
 * when one of them, or the installer, has ended.
 */
#ifndef ASHLAR_SOFTWARE_H
#define ASHLAR_SOFTWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/generation.h"
#include "ashlar/slot.h"

#define SOFTWARE_SLOTS 3 /* of slot_names */

/* On what terms the running system is on trial; the installer's words (generation.h). */
struct software_terms {
	uint32_t
		confirm_s; /* it goes back when it is not confirmed so many seconds after it is ready */
	char *persist_id; /* who confirms must know it; NULL: nothing */
	char *who;	  /* that has installed it */
};

struct software {
	const char *slot;     /* of slot_names, that was started; NULL: none */
	const char *firmware; /* "uefi", "grub" */
	uint32_t generation;  /* that runs; 0: none, as in recovery */
	uint32_t current;     /* that is started next, unless there is a trial; 0: none */
	bool is_trial;
	bool is_over;				  /* the trial was given up: a restart is due */
	struct software_terms terms;		  /* of the trial */
	struct slot_header slots[SOFTWARE_SLOTS]; /* empty: also if it cannot be read */
	struct generation *generations;		  /* the oldest first */
	size_t generation_count;
};

/* @run_dir has what ashlar-early says (boot, disk/), @config_dir the generations. */
void software_init(const char *run_dir, const char *config_dir);
void software_done(void);
/* Never NULL; borrowed until the next turn. */
const struct software *software_now(void);
/* Reads again what the slots and generations are. */
void software_refresh(void);
/* Called after each change of it. NULL to unset. */
void software_on_change(void (*changed)(void));

typedef void (*software_fn)(const struct err *err, void *arg); /* NULL: done */

/*
 * The system is up and serves. Reads the whole image first, so that a block that has gone bad shows now and not
 * some day; then starts of this slot are counted from 0 again.
 */
void software_healthy(void);
/*
 * The trial is over, and this is what the device is from now on: image and configuration. Not called again
 * when it fails; in-use while something else goes on, operation-failed when there is no trial.
 */
int software_confirm(const char *who, software_fn done, void *arg, struct err *err) WARN_UNUSED;
/* The trial is over, for that reason: the slot is not started again. The caller restarts the device. */
int software_abandon(const char *reason, software_fn done, void *arg, struct err *err) WARN_UNUSED;
/*
 * From the next start on the device is what it was in generation @number: its image, from the slot that has it,
 * and its configuration. Not while a trial goes on. data-missing: there is no such generation, or no slot has
 * its image.
 */
int software_roll_back(
	uint32_t number, const char *who, software_fn done, void *arg, struct err *err) WARN_UNUSED;
/*
 * The device is one from the factory from the next start on: /cfg and /var are wiped then, before anything else.
 * That is settled when @done is called without an error; the caller restarts the device.
 */
int software_reset(const char *who, software_fn done, void *arg, struct err *err) WARN_UNUSED;
/* The newest generation that was confirmed with the image of the slot; 0: there is none. */
uint32_t software_newest(const char *slot);
/* The slot, of slot_names, that has the image of that generation and may be started; NULL: none. */
const char *software_slot_of(const struct generation *generation);

#endif
