/*
 * Which slot is started next: what firmware or boot loader is told of it, behind one small interface. Plain C
 * on core, as slot.h is.
 *
 * The order names good slots, best first; recovery is what is left when none of them can be started and is not
 * named. A slot can be tried once, before those: the try is over before the slot's kernel runs, whatever comes
 * of it.
 */
#ifndef ASHLAR_BOOT_ORDER_H
#define ASHLAR_BOOT_ORDER_H

#include <stdbool.h>

#include "ashlar/err.h"
#include "ashlar/slot.h"

#define BOOT_ORDER_MAX 4

struct boot_order {
	const char *slots[BOOT_ORDER_MAX + 1]; /* of slot_names; ends with NULL */
	const char *next;		       /* tried once; NULL: none */
};

/* Where things are; a running system's are in BOOT_PLACES. */
struct boot_places {
	const char *efivars; /* UEFI's variables */
	const char *boot;    /* the boot partition, mounted for writing: only GRUB's needs it */
	const char *disk;    /* the whole disk: only UEFI's needs it */
};
#define BOOT_PLACES                                                                                \
	{                                                                                          \
		"/sys/firmware/efi/efivars", "/boot", SLOT_DIR "/disk"                             \
	}

struct boot_loader {
	const char *name; /* "uefi" */
	bool needs_boot;  /* uses places->boot */
	/* What it will start. Slots it does not know any more are not named. */
	int (*read)(const struct boot_places *, struct boot_order *ret_order, struct err *);
	/*
	 * From now on @order, and @order->next once before it (NULL: no such try). What is there already is not
	 * written. At any instant it starts what it would have before, or what it is told to.
	 */
	int (*write)(const struct boot_places *, const struct boot_order *order, struct err *);
};

extern const struct boot_loader boot_order_uefi, boot_order_grub;

/* What started this system: by whether there are variables of UEFI firmware at @efivars. */
const struct boot_loader *boot_order_loader(const char *efivars);

/* Puts @slot at the end; already there: nothing. @slot is one of slot_names (found by name). */
void boot_order_add(struct boot_order *order, const char *slot);
bool boot_order_has(const struct boot_order *order, const char *slot);
bool boot_order_equal(const struct boot_order *a, const struct boot_order *b);

/* GRUB's environment block: GRUB_ENV_BYTES. Reading: -EBADMSG if it is none. */
#define GRUB_ENV_BYTES 1024
int boot_order_parse_env(const char *block, size_t size, struct boot_order *ret_order) WARN_UNUSED;
void boot_order_print_env(const struct boot_order *order, char *block);

#endif
