/* The appliance: its disks, images, and what comes to it on a volume. */
#ifndef ASHLAR_IMAGE_H
#define ASHLAR_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/err.h"

/*
 * Looks for volumes labelled ASHLAR, those that are there and those that are plugged in later, and hands over
 * the configuration each holds (startup-config.cfg): as the path of a file that is removed afterwards, or an
 * error that says why not. @device is "sda1". One at a time: the next is looked at when volume_next() is
 * called. @device is NULL once: all that were there at the beginning have been looked at; nothing waits for that.
 */
typedef void (*volume_fn)(const char *device, const char *path, const struct err *err, void *arg);
int volume_watch(const char *run_dir, volume_fn found, void *arg, struct err *err) WARN_UNUSED;
void volume_next(void);
/* No more; fine when there is no watch, and from within the callback. */
void volume_unwatch(void);

/* What ashlar.config_url= says in that file (/proc/cmdline); malloc'd; NULL: nothing. */
char *config_url_of(const char *cmdline);
/*
 * Gets what @url names, a configuration or conveyed information that holds one, and hands it over as the path of a
 * file, or an error that says why not. @url as it comes back has nothing that is not for all to see. It is asked for
 * again, after a while, when config_url_again() is called. @share_dir has whose signatures are taken.
 */
typedef void (*config_url_fn)(
	const char *url, const char *path, bool is_merge, const struct err *err, void *arg);
void config_url_ask(const char *url, const char *run_dir, const char *share_dir,
	config_url_fn found, void *arg);
void config_url_again(void);
/* No more; fine when nothing is asked for, and from within the callback. */
void config_url_stop(void);

#endif
