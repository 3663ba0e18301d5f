/* What the files about the machine's parts share. What looks for something runs beside the loop. */
#ifndef ASHLAR_HARDWARE_PRIVATE_H
#define ASHLAR_HARDWARE_PRIVATE_H

#include <dirent.h>

#include "ashlar/hardware.h"

#define HARDWARE_ENTRIES_MAX 512 /* of one directory that are looked at */

/* What one look has found. */
struct hardware_found {
	struct object **objects;
	size_t count, room;
};
/* If a part has that name already it gets a number behind it. */
void hardware_make_unique(const struct hardware_found *found, char name[HARDWARE_NAME_MAX]);
/* Takes the object. */
void hardware_add(struct hardware_found *found, struct object *object);

void sensor_find(struct hardware_found *found);
void usb_find(struct hardware_found *found);
void board_find(struct hardware_found *found);
void vpd_find(struct hardware_found *found);

/* Looks again, beside the loop. */
void hardware_look(void);
/* object_kind.refresh of all these kinds: looks, and waits a little. */
int hardware_refresh(const char *key, struct err *err);

/* One line of a file of sysfs without its end and without blanks around; false: it cannot be read or is empty. */
bool hardware_read(const char *dir, const char *name, char *to, size_t size);
/* A number in it; -errno of the read, -EINVAL. */
int hardware_read_number(const char *dir, const char *name, int64_t *ret_value);
/* Entries of a directory in order, without hidden ones; how many. Free each, and the array. */
size_t hardware_list(const char *dir, struct dirent ***ret_entries);

/* In the loop: see hardware.c. */
bool sensor_take(struct object *known, struct object *now);
bool usb_take(struct object *known, struct object *now);
bool board_take(struct object *known, struct object *now);
bool vpd_take(struct object *known, struct object *now);
/* Has @work done beside the loop, one at a time, and looks again when it is over. */
void hardware_act(void (*work)(void *arg), void (*done)(void *arg), void *arg);

#endif
