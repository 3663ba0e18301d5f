/* The appliance: its disks, images, and what comes to it on a volume. */
#ifndef ASHLAR_IMAGE_H
#define ASHLAR_IMAGE_H

#include <stddef.h>

#include "ashlar/err.h"

/*
 * Looks for volumes labelled ASHLAR, those that are there and those that are plugged in later, and hands over
 * the configuration each holds (startup-config.cfg): as the path of a file that is removed afterwards, or an
 * error that says why not. @device is "sda1". One at a time: the next is looked at when volume_next() is
 * called.
 */
typedef void (*volume_fn)(const char *device, const char *path, const struct err *err, void *arg);
int volume_watch(const char *run_dir, volume_fn found, void *arg, struct err *err) WARN_UNUSED;
void volume_next(void);
/* No more; fine when there is no watch, and from within the callback. */
void volume_unwatch(void);

#endif
