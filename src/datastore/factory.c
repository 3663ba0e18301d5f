/*
 * What a device starts from when it has no startup configuration. It lets nobody in over the network: the
 * first user comes from provisioning.
 */
#include "factory.h"

/* FACTORY_CONFIG is the path of the JSON file; the assembler puts its bytes here. */
__asm__(".section .rodata\n"
	".global factory_json, factory_json_end\n"
	"factory_json:\n"
	".incbin \"" FACTORY_CONFIG "\"\n"
	"factory_json_end:\n"
	".byte 0\n"
	".previous\n");

extern const char factory_json[], factory_json_end[];

int factory_tree(struct lyd_node **ret_tree, struct err *err)
{
	return format_parse_config(factory_json, (size_t)(factory_json_end - factory_json),
		FORMAT_JSON, ret_tree, err);
}
