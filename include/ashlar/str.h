/* Bounded strings and numbers out of text. */
#ifndef ASHLAR_STR_H
#define ASHLAR_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/mem.h"

bool str_equal(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
/* Copies with a terminating NUL; -ENAMETOOLONG (and an empty target) if it does not fit. */
int str_copy(char *to, size_t size, const char *from) WARN_UNUSED;
/* Characters of a text that is UTF-8. */
size_t str_characters(const char *text);
/* Whole text as a decimal number in [min, max]: no sign but '-', no blanks. -EINVAL, -ERANGE. */
int str_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value) WARN_UNUSED;
int str_s64(const char *text, int64_t min, int64_t max, int64_t *ret_value) WARN_UNUSED;
/* Lower-case hexadecimal; @out holds 2 * size + 1. */
void str_hex(char *out, const void *data, size_t size);
/* Reads exactly @size bytes of hexadecimal, optionally separated by @separator (0: none). */
int str_unhex(void *out, size_t size, const char *text, char separator) WARN_UNUSED;
/* "one, two or three" of a list that ends with NULL (empty items are passed over); malloc'd. */
char *str_alternatives(const char *const *items);
/* Constant-time comparison of secrets of equal length. */
bool str_secret_equal(const void *a, const void *b, size_t size);
/* "aa:bb:cc:dd:ee:ff"; @out holds 18. */
void str_mac(char *out, const uint8_t mac[6]);
int str_parse_mac(const char *text, uint8_t ret_mac[6]) WARN_UNUSED;

#endif
