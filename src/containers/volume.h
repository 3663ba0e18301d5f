/* Volumes: directories of containers, as objects. */
#ifndef CONTAINERS_VOLUME_H
#define CONTAINERS_VOLUME_H

#include "ashlar/containers.h"

#define VOLUME_MARKER "volume-"

void volume_init(void);
void volume_done(void);
/* Found in a bundle. */
void volume_adopt(const char *container, const char *name);
/* Found at start, and not wanted: its content stays. */
void volume_disown(const char *key);
int volume_apply(struct step *step) WARN_UNUSED;
/* STATE-DIR/containers/volumes/CONTAINER; malloc'd. */
char *volume_dir(const char *container);
/* Makes the directory's owner the user that the program runs as, unless it was given one before. */
void volume_own(const char *container, const char *name, uid_t uid, gid_t gid);

#endif
