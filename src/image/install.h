/*
 * ashlar-install: three processes. The first has privileges and reads nothing of a stranger's; it starts the
 * second, which gets the bundle and takes it apart, and the third, which checks it and writes the slot: both
 * without privileges. Private to that program.
 */
#ifndef IMAGE_INSTALL_H
#define IMAGE_INSTALL_H

#include <jansson.h>
#include <stdbool.h>

#include "ashlar/err.h"
#include "ashlar/transfer.h"

#include "manifest.h"

struct install_job {
	const char *url;
	const char *slot_dir, *slot;
	const char *share_dir;	 /* release.json and update-ca.crt of this image */
	const char *config;	 /* the saved configuration; NULL: none that is to be loaded */
	const char *authorities; /* PEM: trusted besides the system's; NULL: none */
	const char
		*trial_path; /* where the terms of the trial are written, a file of generation.h */
	json_t *trial;
	bool is_test;	/* write nothing, report */
	bool is_forced; /* whatever the new image says of the configuration */
};

/*
 * The second process: the bundle at the URL (or in @source, an open file; -1: none) as frames. Only a status
 * is returned: the error is a frame, too.
 */
int install_fetch(
	const char *url, int source, const struct transfer_trust *trust, int out) WARN_UNUSED;

/*
 * The third process. Tells the verified manifest, waits for a byte on @go, writes root.img into @root and
 * boot.efi into @boot, each chunk when its digest is right, and tells how far it is.
 */
struct install_ends {
	int in;	 /* frames from the second process */
	int out; /* frames to the first */
	int go;
	int files[MANIFEST_PARTS];
};
int install_write(const struct install_ends *ends, const char *anchors) WARN_UNUSED;

/* Bytes there is room for beside the boot files of the other slots; looks without writing. */
int install_boot_room(
	const struct install_job *job, uint64_t *ret_room, struct err *err) WARN_UNUSED;
/* What starts the slot, in the boot partition: @data is boot.efi. On disk when this returns. */
int install_boot(const struct install_job *job, const uint8_t *data, size_t size,
	struct err *err) WARN_UNUSED;

/* From now on the slot is what starts next, once. */
int install_boot_try(const struct install_job *job, struct err *err) WARN_UNUSED;

/*
 * What the new image, in the slot's partition @device, says of the saved configuration: -EBADMSG when it
 * refuses what this image takes, with the path; it is the image's own program that is asked, in a sandbox.
 */
int install_check(const struct install_job *job, const char *device,
	const struct manifest *manifest, struct err *err) WARN_UNUSED;

#endif
