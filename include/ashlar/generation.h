/*
 * Generations: what a device is, as one thing that goes forward and back together: an image, the configuration
 * that was saved while it ran, and the containers' images. Plain C on core and jansson, as ashlar-early uses it.
 *
 *   /cfg/generations/7/                    generation 7
 *                      record.json         {number, image, version, time, reason, who}
 *                      startup-config.cfg  the configuration as it was saved last, and those before it
 *                      containers/         what the image of each container resolved to: {source, digest}
 *                      trial               only of a trial: not confirmed; what the installer says of it
 *   /cfg/generations/current -> 7          the one that counts; replaced by rename(2)
 *   /cfg/generations/trial                 what the installer says of the trial that is to come; may be absent
 *
 * That rename is the only commit point of a confirmed upgrade and of a way back. All else follows from it at the
 * next start: ashlar-early compares the image of the current generation with that of the slot that was started
 * (early.c), finishes what was half done, and drops what was not confirmed.
 *
 * A slot on trial runs on a copy of the current generation, made by ashlar-early before anything else: what is
 * saved meanwhile is saved there. The running system's own is GENERATION_RUNNING, whichever that is.
 */
#ifndef ASHLAR_GENERATION_H
#define ASHLAR_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/err.h"

#define GENERATION_DIR		  "/cfg/generations"
#define GENERATION_RUNNING	  "/run/ashlar/generation" /* a link to GENERATION_DIR/N */
#define GENERATION_TRIAL	  "trial"
#define GENERATION_MAX		  8 /* that are kept */
#define GENERATION_CONTAINERS	  "containers"
#define GENERATION_CONTAINERS_MAX 1024

struct generation_container {
	char *name, *image, *digest;
};

struct generation {
	uint32_t number;
	bool is_trial; /* has the mark; the current one's does not count */
	char *image;   /* SHA-256 of root.img, in hexadecimal */
	char *version; /* of that image */
	char *time;    /* when it was made, RFC 3339 */
	char *reason;  /* "first start", "upgrade", "fallback" … */
	char *who;     /* the user that asked for it; "" */
	struct generation_container *containers; /* read, not written */
	size_t container_count;
};

void generation_done(struct generation *generation);
#define _cleanup_generation_ _cleanup_(generation_done)

/* All of @dir, the oldest first; none: *ret_count is 0. Those whose record cannot be read are passed over. */
int generation_list(const char *dir, struct generation **ret_list, size_t *ret_count,
	struct err *err) WARN_UNUSED;
void generation_list_free(struct generation *list, size_t count);
int generation_read(const char *dir, uint32_t number, struct generation *ret_generation,
	struct err *err) WARN_UNUSED;
/* -ENOENT: there is none yet. */
int generation_current(const char *dir, uint32_t *ret_number, struct err *err) WARN_UNUSED;
/* The commit point. Durable when it returns. */
int generation_switch(const char *dir, uint32_t number, struct err *err) WARN_UNUSED;
/*
 * Makes the generation after the newest, @generation->number, with what generation @from has (0: nothing) and
 * the given record, whose time is now. As a whole or not at all.
 */
int generation_make(
	const char *dir, uint32_t from, struct generation *generation, struct err *err) WARN_UNUSED;
/* A trial is confirmed: its mark goes. After the switch; again does nothing. */
int generation_confirm(const char *dir, uint32_t number, struct err *err) WARN_UNUSED;
/*
 * Removes what was left half made or half removed, trials that are over (all but @running and the current one),
 * and the oldest beyond GENERATION_MAX.
 */
int generation_tidy(const char *dir, uint32_t running, struct err *err) WARN_UNUSED;
/* "DIR/N", malloc'd. */
char *generation_path(const char *dir, uint32_t number);

#endif
