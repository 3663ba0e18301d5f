/* What runs in the background (infix-system): what init said of each service when it was asked last. */
#include <stdio.h>

#include "ashlar/clock.h"
#include "ashlar/feature.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#define STATE "/ietf-system:system-state/infix-system:services"

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (have_get(have, &object_kind_finit, FINIT_KEY))
		add(arg, NULL);
}

static int show_usage(struct lyd_node *entry, const struct service *service, struct err *err)
{
	struct lyd_node *usage = NULL;
	int r = build_container(entry, "statistics", &usage, err);

	if (r == 0 && service->pid) {
		r = build_u64(usage, "memory-usage", service->memory_bytes, err);
		if (r == 0)
			r = build_u64(
				usage, "uptime", (clock_ms() - service->since_ms) / 1000, err);
	}
	return r < 0 ? r : build_u64(usage, "restart-count", service->restarts, err);
}

static int show_service(struct lyd_node *node, const struct service *service, struct err *err)
{
	struct lyd_node *entry = NULL;
	int r = build_entry(node, "service", NULL, &entry, err);

	if (r == 0 && service->pid)
		r = build_u64(entry, "pid", (uint64_t)service->pid, err);
	if (r == 0)
		r = build_leaf(entry, "name", service->object.key, err);
	if (r == 0 && service->description && *service->description)
		r = build_leaf(entry, "description", service->description, err);
	if (r == 0)
		r = build_leaf(entry, "status", service_status(service), err);
	return r < 0 ? r : show_usage(entry, service, err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct service *service;
	size_t at = 0;
	int r = 0;

	while (r == 0 && (service = have_next(have, &object_kind_service, &at)))
		r = show_service(node, service, err);
	return r;
}

const struct feature feature_service = {
	.name = "service",
	.modules = (const struct feature_module[]){ { "infix-system", NULL }, { NULL, NULL } },
	.state_roots = (const char *const[]){ STATE, NULL },
	.units = units,
	.show = show,
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_service, STATE, NULL },
			{ NULL, NULL, NULL },
		},
	.silent =
		(const char *const[]){
			STATE "/service/statistics",
			NULL,
		},
};
