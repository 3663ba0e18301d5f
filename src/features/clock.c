/* The time zone (RFC 7317): what /etc/localtime points to. Without one it is UTC. */
#include <stdio.h>
#include <stdlib.h>

#include "ashlar/feature.h"
#include "ashlar/system.h"

#define ZONES "/usr/share/zoneinfo/"

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const char *name = node_text(unit->node, "timezone-name", NULL);
	const struct lyd_node *offset = node_child(unit->node, "timezone-utc-offset");
	struct genfile *file;
	long hours;

	if (!name && !offset)
		return 0;
	file = want_object(want, &object_kind_genfile, GENFILE_LOCALTIME,
		name ? "timezone-name" : "timezone-utc-offset");
	want_needs(file, &object_kind_machine, MACHINE_KEY);
	file->is_link = true;
	if (name) {
		file->text = xasprintf(ZONES "%s", name);
		return 0;
	}
	/* Their names say what UTC is ahead of them. */
	hours = strtol(node_value(offset), NULL, 10);
	file->text = hours ? xasprintf(ZONES "Etc/GMT%+ld", -hours) : xstrdup(ZONES "Etc/GMT");
	return 0;
}

const struct feature feature_clock = {
	.name = "clock",
	.modules =
		(const struct feature_module[]){
			{ "ietf-system", (const char *const[]){ "timezone-name", NULL } },
			{ NULL, NULL },
		},
	.roots = (const char *const[]){ "/ietf-system:system/clock", NULL },
	.want = want,
};
