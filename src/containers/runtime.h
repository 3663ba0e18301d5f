/* Containers as programs: started, watched, restarted and stopped until they are as wanted. */
#ifndef CONTAINERS_RUNTIME_H
#define CONTAINERS_RUNTIME_H

#include <stdbool.h>

#include "ashlar/containers.h"

#define RUNTIME_MARKER "container.json"

void runtime_init(void);
void runtime_done(void);
/* Found in a bundle: running perhaps. */
void runtime_adopt(const char *container);
/* Found at start, and not wanted: it ends. */
void runtime_disown(const char *container);
int runtime_apply(struct step *step) WARN_UNUSED;
/* Something that it depends on has changed: looked at after this turn of the loop. */
void runtime_kick(const char *container);
void runtime_kick_all(void);
/* See containers_end(). */
void runtime_end_all(void (*ended)(void));
/* Whether a program runs that is to be stopped or replaced. */
bool runtime_is_ending(const char *container);
/* Whether a program runs from the image of that digest. */
bool runtime_uses_image(const char *digest);
/* Reads what was used by one, or by all (NULL). */
void runtime_refresh(const char *container);

#endif
