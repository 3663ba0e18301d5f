/*
 * Finding one's way in JSON text without reading it: where things end. Nothing is copied; whoever reads
 * the parts judges them. The text ends with NUL. (jansson has a json_string() of its own.)
 */
#ifndef ASHLAR_JSON_H
#define ASHLAR_JSON_H

#include <stddef.h>

#define JSON_DEPTH_MAX 1024

/* At or behind white space. */
const char *json_blanks(const char *at);
/* Behind the string that begins at @at; NULL if it does not end. */
const char *json_string_end(const char *at);
/* Behind the value that begins at @at; NULL if there is none, it does not end, or is too deep. */
const char *json_value(const char *at);
/*
 * The first name, with its quotes, that an object in the value has twice (RFC 7493 section 2.3), and its size;
 * NULL: there is none. The value is one that json_value() has passed. Names are compared as they are written.
 */
const char *json_twice(const char *at, size_t *ret_size);

#endif
