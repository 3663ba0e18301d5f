/*
 * JSON text, skimmed. Brackets are counted, not matched, and words and numbers are taken as they stand:
 * a parser sees them later.
 */
#include <stddef.h>
#include <string.h>

#include "ashlar/json.h"

const char *json_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

const char *json_string_end(const char *at)
{
	for (at++; *at != '"'; at++) {
		at += strcspn(at, "\"\\");
		if (*at == '"')
			break;
		if (!*at || !*++at)
			return NULL;
	}
	return at + 1;
}

static const char *skip_brackets(const char *at)
{
	unsigned depth = 0;

	do {
		at += strcspn(at, "\"{}[]");
		switch (*at) {
		case '"':
			at = json_string_end(at);
			if (!at)
				return NULL;
			continue;
		case '{':
		case '[':
			if (++depth > JSON_DEPTH_MAX)
				return NULL;
			break;
		case '}':
		case ']':
			depth--;
			break;
		default:
			return NULL;
		}
		at++;
	} while (depth);
	return at;
}

const char *json_value(const char *at)
{
	size_t size;

	if (*at == '"')
		return json_string_end(at);
	if (*at == '{' || *at == '[')
		return skip_brackets(at);
	size = strcspn(at, ",:]}[{\" \t\r\n");
	return size ? at + size : NULL;
}
