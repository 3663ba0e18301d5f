/*
 * The kernel as a target: the table of object kinds, and how steps become batches.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "devlink.h"
#include "kernel-private.h"
#include "link-local.h"
#include "nl-worker.h"
#include "nl.h"
#include "route.h"

#define APPLY_US 3000 /* work for one call of apply(); the loop goes on in between */
#define LOOK_AT	 16   /* steps between two looks at the clock */

static const struct nl_object *const objects[] = {
	&netns_object,
	&link_object,
	&sysctl_object,
	&ethernet_object,
	&wireguard_object,
	&bridge_stp_off_object,
	&bridge_vlan_object,
	&bridge_multicast_object,
	&bridge_mdb_object,
	&bridge_fdb_object,
	&link_up_object,
	&address_object,
	&link_local_object,
	&neighbour_object,
	&route_object,
};

static bool is_recording;

const struct nl_object *nl_object_of(const struct object_kind *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		if (objects[i]->kind == kind)
			return objects[i];
	}
	return NULL;
}

static const struct object_kind *kind_of(const struct step *step)
{
	return (step->want ? step->want : step->have)->kind;
}

const char *nl_explain(const struct step *step, int error)
{
	const struct nl_object *object = nl_object_of(kind_of(step));

	return object->explain ? object->explain(step, error) : NULL;
}

const char *nl_blame(const struct step *step, uint16_t attribute)
{
	const struct nl_object *object = nl_object_of(kind_of(step));

	return object->blame ? object->blame(step, attribute) : NULL;
}

/* --- apply ------------------------------------------------------------------------------------ */

static size_t encode(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	const struct nl_object *object = nl_object_of(kind_of(steps[0]));
	int r;

	if (object->encode_run)
		return object->encode_run(batch, steps, count);
	r = object->encode(batch, steps[0]);
	if (r < 0 && !steps[0]->error) {
		steps[0]->error = r;
		if (!steps[0]->err.code)
			err_set(&steps[0]->err, r, NULL, "%s", strerror(-r));
	}
	return 1;
}

static void look_again(struct step *const *steps, size_t count, bool at_failed)
{
	for (size_t i = 0; i < count; i++) {
		if (kind_of(steps[i]) == &object_kind_link && (steps[i]->error != 0) == at_failed)
			link_check(steps[i]);
	}
}

static bool any_failed(struct step *const *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (steps[i]->error)
			return true;
	}
	return false;
}

/* The batch that a thread is sending, and the steps that wait for it. */
static struct {
	struct nl_batch *batch; /* NULL: none */
	const struct step *first;
	size_t dealt;
	bool is_sent, is_cancelled;
} at_work;

static void end_batch(struct nl_batch *batch)
{
	nl_batch_free(batch);
	memset(&at_work, 0, sizeof(at_work));
}

static void sent(void *arg)
{
	at_work.is_sent = true;
	if (at_work.is_cancelled) {
		link_forget_chosen();
		end_batch(at_work.batch);
	}
	apply_resume();
}

static void cancel(void)
{
	at_work.is_cancelled = at_work.batch != NULL;
	if (at_work.is_sent) {
		link_forget_chosen();
		end_batch(at_work.batch);
	}
}

static void send_rest(struct step *const *steps, size_t count)
{
	struct nl_batch *batch = nl_batch_new();

	for (size_t done = 0; done < count;)
		done += encode(batch, steps + done, count - done);
	nl_batch_flush(batch);
	nl_batch_free(batch);
}

/* One message is about many VLANs; those behind the one that was refused are asked for again. */
static void look_behind(struct step *const *steps, size_t count, bool stop_on_error)
{
	size_t rest;

	for (size_t i = 0; i < count; i++) {
		if (!steps[i]->error || kind_of(steps[i]) != &object_kind_bridge_vlan)
			continue;
		i += bridge_vlan_failed(steps + i, count - i, &rest);
		if (rest && !stop_on_error && steps[i]->error != -EOPNOTSUPP)
			send_rest(steps + i + 1, rest);
	}
}

/* All steps have been sent and answered. */
static size_t finish(
	struct nl_batch *batch, struct step *const *steps, size_t dealt, bool stop_on_error)
{
	route_take_up(batch, steps, dealt);
	bridge_fdb_take_over(batch, steps, dealt);
	bridge_mdb_take_over(batch, steps, dealt);
	end_batch(batch);
	look_behind(steps, dealt, stop_on_error);
	look_again(steps, dealt, false);
	link_forget_chosen(); /* what failed may have none of the numbers that were chosen */
	look_again(steps, dealt, true);
	return dealt;
}

/* What is not a message to the kernel, or rests on what they do, comes after all that have gathered. */
static bool must_wait(const struct step *step)
{
	const struct object_kind *kind = kind_of(step);

	return kind == &object_kind_sysctl || kind == &object_kind_netns ||
		kind == &object_kind_wireguard || kind == &object_kind_ethernet ||
		kind == &object_kind_link_local || link_master_is_new(step);
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	struct nl_batch *batch;
	uint64_t start = clock_us();
	size_t dealt = 0, looked = 0;

	if (at_work.batch) {
		if (!at_work.is_sent || at_work.first != steps[0])
			return 0;
		nl_batch_collect(at_work.batch);
		return finish(at_work.batch, steps, at_work.dealt, stop_on_error);
	}
	batch = nl_batch_new();
	while (dealt < count && !nl_batch_is_full(batch) &&
		!(nl_batch_is_slow(batch) && must_wait(steps[dealt]))) {
		size_t n = encode(batch, steps + dealt, count - dealt);

		if (stop_on_error && (nl_batch_failed(batch) || any_failed(steps + dealt, n))) {
			dealt += n;
			break;
		}
		dealt += n;
		if (dealt - looked >= LOOK_AT) {
			looked = dealt;
			if (clock_us() - start > APPLY_US)
				break;
		}
	}
	if (nl_batch_send(batch, sent, NULL)) {
		at_work.batch = batch;
		at_work.first = steps[0];
		at_work.dealt = dealt;
		return 0;
	}
	nl_batch_flush(batch);
	return finish(batch, steps, dealt, stop_on_error);
}

/* --no-kernel: what is applied is believed to exist. */
static size_t record(struct step *const *steps, size_t count, bool stop_on_error)
{
	size_t i = 0;

	while (i < count) {
		const struct object_kind *kind = kind_of(steps[i]);

		steps[i]->is_done = true;
		if (kind == &object_kind_link)
			link_record(steps[i]);
		else if (kind == &object_kind_link_up)
			link_up_record(steps[i]);
		else if (kind == &object_kind_ethernet)
			ethernet_record(steps[i]);
		else if (steps[i]->op == STEP_REMOVE)
			have_remove(steps[i]->have->kind, steps[i]->have->key);
		else
			have_put(object_copy(steps[i]->want));
		if (++i % LOOK_AT == 0 && loop_should_yield())
			break;
	}
	return i;
}

static size_t apply_or_record(struct step *const *steps, size_t count, bool stop_on_error)
{
	return is_recording ? record(steps, count, stop_on_error)
			    : apply(steps, count, stop_on_error);
}

const struct target kernel_target = {
	.name = "kernel", .is_immediate = true, .apply = apply_or_record, .cancel = cancel
};

/* --- life ------------------------------------------------------------------------------------- */

bool kernel_is_recording(void)
{
	return is_recording;
}

const char *object_netns(const struct object *object)
{
	const struct link *link;
	const char *name;

	if (object->kind == &object_kind_link)
		return link_netns((const struct link *)object);
	if (object->kind == &object_kind_address)
		name = ((const struct address *)object)->link;
	else if (object->kind == &object_kind_neighbour)
		name = ((const struct neighbour *)object)->link;
	else if (object->kind == &object_kind_route)
		name = ((const struct route *)object)->hop.link;
	else if (object->kind == &object_kind_bridge_vlan)
		name = ((const struct bridge_vlan *)object)->link;
	else if (object->kind == &object_kind_bridge_multicast)
		name = ((const struct bridge_multicast *)object)->bridge;
	else if (object->kind == &object_kind_bridge_mdb)
		name = ((const struct bridge_mdb *)object)->bridge;
	else if (object->kind == &object_kind_bridge_fdb)
		name = ((const struct bridge_fdb *)object)->bridge;
	else if (object->kind == &object_kind_sysctl)
		name = ((const struct sysctl *)object)->link;
	else
		name = object->key;
	link = have_get(have_all(), &object_kind_link, name);
	return link ? link_netns(link) : "";
}

int kernel_init(bool record_only, struct err *err)
{
	struct nl *nl;
	int r;

	is_recording = record_only;
	if (record_only)
		return 0;
	r = nl_open("", -1, &nl, err);
	if (r == 0) {
		sysctl_watch_start();
		r = sysctl_init(err);
	}
	if (r == 0)
		r = genl_events_start(err);
	if (r == 0)
		r = watch_start(nl, err);
	if (r == 0)
		devlink_read();
	return r < 0 ? r : netns_find(err);
}

void kernel_done(void)
{
	struct nl *nl;

	worker_stop();
	link_local_done();
	link_forget_gone();
	nl_batch_free(at_work.batch);
	memset(&at_work, 0, sizeof(at_work));
	genl_events_done();
	uevent_done();
	sysctl_watch_stop();
	while ((nl = nl_at(0)))
		nl_close(nl);
	sysctl_done();
	neighbour_forget_learned(NULL);
	bridge_mdb_forget_learned();
}
