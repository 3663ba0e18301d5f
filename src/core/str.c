/* Bounded strings and numbers out of text. No locale, no silent truncation. */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

bool str_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
	size_t length = strlen(text), tail = strlen(suffix);

	return length >= tail && memcmp(text + length - tail, suffix, tail) == 0;
}

int str_copy(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size);

	if (length == size) {
		if (size)
			to[0] = '\0';
		return -ENAMETOOLONG;
	}
	memcpy(to, from, length + 1);
	return 0;
}

/* Digits to the end of the text. */
static int parse_digits(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	bool overflow = false;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		overflow |= __builtin_mul_overflow(value, 10, &value);
		overflow |= __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value);
	}
	if (overflow)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

size_t str_characters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

int str_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	bool is_negative = *text == '-';
	uint64_t value;
	int ret = parse_digits(text + is_negative, &value);

	if (ret < 0)
		return ret;
	if ((is_negative && value) || value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int str_s64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
	bool is_negative = *text == '-';
	uint64_t magnitude;
	int64_t value;
	int ret = parse_digits(text + is_negative, &magnitude);

	if (ret < 0)
		return ret;
	if (magnitude > (uint64_t)INT64_MAX + is_negative)
		return -ERANGE;
	/* Unsigned negation: the magnitude of INT64_MIN has no positive int64_t. */
	value = (int64_t)(is_negative ? -magnitude : magnitude);
	if (value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

void str_hex(char *out, const void *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < size; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

int str_unhex(void *out, size_t size, const char *text, char separator)
{
	uint8_t *bytes = out;
	size_t i;

	for (i = 0; i < size; i++) {
		int high, low;

		if (i && separator && *text++ != separator)
			return -EINVAL;
		high = hex_value(text[0]);
		low = high < 0 ? -1 : hex_value(text[1]);
		if (low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return *text ? -EINVAL : 0;
}

bool str_secret_equal(const void *a, const void *b, size_t size)
{
	/* volatile keeps the compiler from leaving the loop early. */
	const volatile uint8_t *left = a, *right = b;
	volatile uint8_t difference = 0;
	size_t i;

	for (i = 0; i < size; i++)
		difference |= left[i] ^ right[i];
	return difference == 0;
}

void str_mac(char *out, const uint8_t mac[6])
{
	size_t i;

	for (i = 0; i < 6; i++) {
		str_hex(out + 3 * i, mac + i, 1);
		out[3 * i + 2] = i < 5 ? ':' : '\0';
	}
}

int str_parse_mac(const char *text, uint8_t ret_mac[6])
{
	uint8_t mac[6];
	int ret = str_unhex(mac, sizeof(mac), text, ':');

	if (ret < 0)
		return ret;
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

char *str_alternatives(const char *const *items)
{
	char *text = xstrdup("");
	size_t i, last = 0;

	for (i = 0; items[i]; i++)
		if (*items[i])
			last = i;
	for (i = 0; items[i]; i++) {
		const char *before = !*text ? "" : i == last ? " or " : ", ";
		char *longer;

		if (!*items[i])
			continue;
		longer = xasprintf("%s%s%s", text, before, items[i]);
		free(text);
		text = longer;
	}
	return text;
}
