/*
 * Time servers (RFC 7317): chronyd follows them, with what this says to it in a file of its own. The clock is set at
 * once at the start, and whenever it is more than a second off in the first moments; from then on it is led.
 */
#include <stdio.h>
#include <string.h>

#include "ashlar/crc32.h"
#include "ashlar/feature.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#define SERVICE "chronyd"

/* Words of chrony's own. */
static const char *directive(const struct lyd_node *server)
{
	const char *type = node_text(server, "association-type", "server");

	return str_equal(type, "peer") || str_equal(type, "pool") ? type : "server";
}

static char *make_config(const struct lyd_node *ntp)
{
	const struct lyd_node *server;
	size_t size = 0;
	char *text;
	FILE *out = open_memstream(&text, &size);

	fputs(GENFILE_MARK "\n", out);
	NODE_FOREACH (server, ntp, "server")
		fprintf(out, "%s %s port %llu%s%s\n", directive(server),
			node_text(server, "udp/address", ""),
			(unsigned long long)node_u64(server, "udp/port", 123),
			node_bool(server, "iburst", false) ? " iburst" : "",
			node_bool(server, "prefer", false) ? " prefer" : "");
	fprintf(out,
		"stratumweight %s\n"
		"makestep 1.0 3\n"
		"driftfile /var/lib/ashlar/chrony.drift\n"
		"cmdport 0\n"
		"port 0\n",
		node_text(ntp, "stratum-weight", "0.001"));
	fclose(out);
	return text;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	struct genfile *file;
	struct service *service;

	if (!node_bool(unit->node, "enabled", true) || !node_child(unit->node, "server"))
		return 0;
	file = want_object(want, &object_kind_genfile, GENFILE_CHRONY, "server");
	want_needs(file, &object_kind_machine, MACHINE_KEY);
	want_needs(file, &object_kind_finit, FINIT_KEY);
	file->text = make_config(unit->node);
	service = want_object(want, &object_kind_service, SERVICE, "server");
	want_needs(service, &object_kind_genfile, GENFILE_CHRONY);
	/* The sum is there so that it is started anew with another file. */
	service->stanza = xasprintf(GENFILE_MARK
		", for " GENFILE_CHRONY " %08x\n"
		"service <!> name:" SERVICE
		" [2345] /usr/sbin/chronyd -n -u root -F 1 -f " GENFILE_CHRONY " -- Time by NTP\n",
		crc32_of(file->text, strlen(file->text)));
	return 0;
}

const struct feature feature_ntp = {
	.name = "ntp",
	.modules =
		(const struct feature_module[]){
			{ "ietf-system", (const char *const[]){ "ntp", "ntp-udp-port", NULL } },
			{ "infix-system", NULL },
			{ NULL, NULL },
		},
	.roots = (const char *const[]){ "/ietf-system:system/ntp", NULL },
	.want = want,
};
