/*
 * What libyang itself needs for a configuration, XML or JSON: parse it, validate it in full, print it.
 * The schema is the daemon's: MODULES has a line "name feature..." for each module, in the order of
 * loading. Prints a line "parse NANOSECONDS validate NANOSECONDS print NANOSECONDS memory BYTES" for
 * each round; memory is what the valid tree takes.
 */
#include <libyang/libyang.h>
#include <malloc.h>
#include <stdbool.h>

#include "bench.h"

#define FEATURES_MAX 64

static void load(struct ly_ctx *ctx, char *line)
{
	const char *features[FEATURES_MAX + 1] = { NULL }, *name = strtok(line, " ");
	unsigned count = 0;

	while (count < FEATURES_MAX && (features[count] = strtok(NULL, " ")))
		count++;
	features[count] = NULL;
	if (name && !ly_ctx_load_module(ctx, name, NULL, features))
		die("%s: %s", name, ly_errmsg(ctx));
}

static struct ly_ctx *load_all(const char *dir, const char *path)
{
	struct ly_ctx *ctx;
	size_t size;
	char *at = read_file(path, &size), *line;

	if (ly_ctx_new(dir,
		    LY_CTX_EXPLICIT_COMPILE | LY_CTX_NO_YANGLIBRARY | LY_CTX_DISABLE_SEARCHDIR_CWD,
		    &ctx) != LY_SUCCESS)
		die("no context");
	while ((line = strsep(&at, "\n")))
		if (*line)
			load(ctx, line);
	if (ly_ctx_compile(ctx) != LY_SUCCESS)
		die("%s", ly_errmsg(ctx));
	return ctx;
}

static void measure(const struct ly_ctx *ctx, const char *text)
{
	LYD_FORMAT format = *text == '{' ? LYD_JSON : LYD_XML;
	size_t before = mallinfo2().uordblks, memory;
	struct lyd_node *tree = NULL;
	char *printed = NULL;
	uint64_t began = now_ns(), parsed, validated, done;

	if (lyd_parse_data_mem(ctx, text, format, LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0, &tree) !=
		LY_SUCCESS)
		die("parse: %s", ly_errmsg(ctx));
	parsed = now_ns();
	if (lyd_validate_all(&tree, ctx, LYD_VALIDATE_NO_STATE, NULL) != LY_SUCCESS)
		die("validate: %s", ly_errmsg(ctx));
	validated = now_ns();
	memory = mallinfo2().uordblks - before;
	if (lyd_print_mem(&printed, tree, format, LYD_PRINT_SHRINK | LYD_PRINT_WITHSIBLINGS) !=
		LY_SUCCESS)
		die("print: %s", ly_errmsg(ctx));
	done = now_ns();
	printf("parse %llu validate %llu print %llu memory %zu\n",
		(unsigned long long)(parsed - began), (unsigned long long)(validated - parsed),
		(unsigned long long)(done - validated), memory);
	free(printed);
	lyd_free_all(tree);
}

int main(int argc, char **argv)
{
	struct ly_ctx *ctx;
	size_t size;
	const char *text;

	if (argc != 5)
		die("usage: %s YANG-DIR MODULES DATA ROUNDS", argv[0]);
	ctx = load_all(argv[1], argv[2]);
	text = read_file(argv[3], &size);
	for (int i = atoi(argv[4]); i > 0; i--)
		measure(ctx, text);
	return 0;
}
