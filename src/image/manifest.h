/*
 * What an upgrade says of itself: manifest.json, and whether it may be believed. Pure.
 *
 * The manifest is read only when its signature is good; it names the digest of every chunk of every file, so
 * that each can be checked before it is written. release.json of an image is the part of it that the image
 * itself knows.
 */
#ifndef IMAGE_MANIFEST_H
#define IMAGE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/mem.h"

#define MANIFEST_NAME	       "manifest.json"
#define MANIFEST_SIGNATURE     "manifest.sig"
#define MANIFEST_CERT	       "manifest.crt"
#define MANIFEST_MAX	       ((size_t)1 << 20)
#define MANIFEST_SIGNATURE_MAX ((size_t)1024)
#define MANIFEST_CERT_MAX      ((size_t)16384)
#define MANIFEST_CHUNK	       ((size_t)1 << 20)
#define MANIFEST_BOOT_MAX      ((uint64_t)48 << 20)
#define MANIFEST_ROOT_MAX      ((uint64_t)1 << 30)
#define MANIFEST_TEXT_MAX      64 /* of a version and a compatible, with the NUL */
#define MANIFEST_MODULES_MAX   1024
#define MANIFEST_DIGEST	       32

/* What an image is. */
struct release {
	char version[MANIFEST_TEXT_MAX];
	char compatible[MANIFEST_TEXT_MAX]; /* which devices it fits */
	uint32_t security;		    /* no device goes back below its own */
	char **modules;			    /* "name@revision", sorted; ends with NULL */
};

enum manifest_part {
	MANIFEST_BOOT, /* boot.efi */
	MANIFEST_ROOT, /* root.img */
	MANIFEST_PARTS,
};

struct manifest_file {
	uint64_t size;
	uint8_t sha256[MANIFEST_DIGEST];
	uint8_t (*chunks)
		[MANIFEST_DIGEST]; /* of MANIFEST_CHUNK bytes each, the last one of the rest */
	size_t chunk_count;
};

struct manifest {
	struct release release;
	struct manifest_file files[MANIFEST_PARTS];
	uint64_t blocks; /* of root.img's file system, 4096 bytes each; the hash tree follows */
	uint8_t root_hash[MANIFEST_DIGEST], salt[MANIFEST_DIGEST];
};

extern const char *const manifest_part_names[MANIFEST_PARTS];

/*
 * Is @signature that of the bytes @text by the key of the first certificate in @chain (PEM), and is that, by
 * the others or at once, one of an authority in @anchors (PEM)? When certificates end is not asked: devices
 * without a clock take upgrades, too, and what is old is kept away by the security counter. -EBADMSG: no;
 * -ENOKEY: there are no authorities.
 */
int manifest_verify(const void *text, size_t size, const void *signature, size_t signature_size,
	const char *chain, const char *anchors, struct err *err) WARN_UNUSED;
int manifest_parse(
	const char *text, size_t size, struct manifest *ret_manifest, struct err *err) WARN_UNUSED;
void manifest_done(struct manifest *manifest);

int release_parse(
	const char *text, size_t size, struct release *ret_release, struct err *err) WARN_UNUSED;
void release_done(struct release *release);
/* May a device that runs @ours take @theirs? -EINVAL: it is for others; -EPERM: it goes back too far. */
int release_fits(
	const struct release *ours, const struct release *theirs, struct err *err) WARN_UNUSED;

/*
 * How the data model changes: calls @tell for each module that comes, goes, or has another revision, in the
 * order of their names. A revision is NULL where there is no such module.
 */
void release_compare(const struct release *ours, const struct release *theirs,
	void (*tell)(const char *name, const char *old, const char *new, void *arg), void *arg);

#endif
