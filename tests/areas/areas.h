/* The pieces of the runner for golden cases of features. */
#ifndef ASHLAR_TESTS_AREAS_H
#define ASHLAR_TESTS_AREAS_H

#include "ashlar/buf.h"
#include "ashlar/state.h"

/* The unit's path, then its objects in the order of their text: kind, key, what is asked for, needs, the
 * node at fault. Malloc'd. */
char *dump_want(const struct want *want);
/* Puts the objects that the lines of a have.txt describe into have; ends the program on a bad line. */
void read_have(char *text, const char *file);

#endif
