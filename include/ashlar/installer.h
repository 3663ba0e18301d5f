/*
 * Upgrades: a bundle comes into the slot that is not in use, by a program of its own (ashlar-install), one at
 * a time, and is tried at the next start. Never into the slot that runs, nor over the last good one.
 */
#ifndef ASHLAR_INSTALLER_H
#define ASHLAR_INSTALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/err.h"

/* A module that the new image has, or has no more, or has in another revision (NULL: not at all). */
struct installer_module {
	char *name, *old, *new;
};

/* What a bundle is, when it is verified. */
struct installer_bundle {
	char *version, *compatible;
	uint32_t security;
	uint64_t size;
	struct installer_module *modules;
	size_t module_count;
};

/* The installation that runs, or the last one. */
struct installer_status {
	bool is_running, is_test;
	const char *slot;    /* NULL: none yet */
	int percentage;	     /* 0 when nothing was ever installed */
	const char *message; /* what is done; "" */
	struct err error;    /* why it has failed; zeroed: it has not */
	struct installer_bundle bundle;
};

struct installer_order {
	const char *url;
	const char *authorities; /* PEM: whose servers are trusted besides; NULL */
	const char *who;
	bool is_test;	/* only look: nothing is written */
	bool is_forced; /* try it whatever it says of the configuration */
	/* Of the trial: how long it waits to be confirmed, and who may do that, by what he knows (NULL: anybody
	 * who may call it). */
	uint32_t confirm_s;
	const char *persist_id;
};

/* @run_dir/disk has the slots (slot.h), @share_dir what the image says of itself, @config_dir the configuration. */
void installer_init(const char *run_dir, const char *share_dir, const char *config_dir);
void installer_done(void);
/*
 * Begins; @done is called from a later turn, with the status. -EBUSY (in-use): one runs already; resource-denied
 * while the system that runs is on trial itself, or when there is no slot but the last good one;
 * operation-not-supported where there are no slots.
 */
int installer_start(const struct installer_order *order,
	void (*done)(const struct installer_status *status, void *arg), void *arg,
	struct err *err) WARN_UNUSED;
/* Borrowed until the next turn. */
const struct installer_status *installer_status(void);
/* Told when the installation begins, gets on, and ends. NULL to unset. */
void installer_on_change(void (*changed)(const struct installer_status *status));

#endif
