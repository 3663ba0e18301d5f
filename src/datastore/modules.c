/* Which YANG modules there are: the list of what is here whatever the features, and theirs. */
#include "ashlar/feature.h"

#include "modules.h"

static const struct yang_module base_modules[] = {
	{ "ietf-netconf",
		(const char *const[]){ "writable-running", "candidate", "confirmed-commit",
			"rollback-on-error", "validate", "startup", "url", "xpath", NULL } },
	{ "ietf-netconf-monitoring", NULL },
	{ "ietf-netconf-with-defaults", NULL },
	{ "ietf-netconf-notifications", NULL },
	{ "nc-notifications", NULL },
	{ "notifications", NULL },
	{ "ietf-subscribed-notifications",
		(const char *const[]){
			"encode-json", "encode-xml", "replay", "subtree", "xpath", NULL } },
	{ "ietf-restconf-subscribed-notifications", NULL },
	{ "ietf-yang-push", (const char *const[]){ "on-change", NULL } },
	{ "ietf-system-capabilities", NULL },
	{ "ietf-notification-capabilities", NULL },
	{ "ietf-restconf", NULL },
	{ "ietf-restconf-monitoring", NULL },
	{ "ietf-yang-library", NULL },
	{ "ietf-datastores", NULL },
	{ "ietf-origin", NULL },
	{ "ashlar-history", NULL },
	{ "ashlar-paging", NULL },
	{ "ietf-netconf-partial-lock", NULL },
	{ "ietf-nmda-compare", NULL },
	{ "ietf-netconf-nmda", (const char *const[]){ "origin", "with-defaults", NULL } },
	/* Leafrefs point at these: libyang would find out and compile everything once more. */
	{ "ietf-key-chain", NULL },
	{ "ietf-network-instance", NULL },
	{ "infix-schedule", NULL },
};

int modules_load(const char *dir, struct err *err)
{
	_cleanup_free_ struct yang_module *modules = NULL;
	size_t count = 0, room = 0;

	for (size_t i = 0; i < ARRAY_SIZE(base_modules); i++) {
		ARRAY_GROW(modules, count, room);
		modules[count++] = base_modules[i];
	}
	for (const struct feature *const *feature = feature_table; *feature; feature++) {
		const struct feature_module *module = (*feature)->modules;

		for (; module && module->name; module++) {
			ARRAY_GROW(modules, count, room);
			modules[count++] = (struct yang_module){ module->name, module->features };
		}
	}
	return yang_init(dir, modules, count, err);
}
