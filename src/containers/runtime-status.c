/* What is told of a container's program: its observed object, with a status for people. */
#include <string.h>

#include "ashlar/state.h"
#include "cgroup.h"
#include "image.h"
#include "runtime-private.h"

static const char *limits_note(const struct container *intent)
{
	if (intent->memory_bytes && !cgroup_has("memory"))
		return "; its memory limit is not enforced: cgroup version 2 has no memory "
		       "controller on this system";
	if (intent->cpu_millicores && !cgroup_has("cpu"))
		return "; its cpu limit is not enforced: cgroup version 2 has no cpu controller on "
		       "this system";
	return "";
}

static enum container_state state_of(struct runtime *runtime)
{
	switch (runtime->phase) {
	case PHASE_STARTING:
		return CONTAINER_STARTING;
	case PHASE_RUNNING:
		return CONTAINER_RUNNING;
	case PHASE_STOPPING:
		return CONTAINER_STOPPING;
	case PHASE_IDLE:
	case PHASE_DELETING:
		break;
	}
	return runtime_is_up_wanted(runtime) && !runtime->is_finished ? CONTAINER_WAITING
								      : CONTAINER_STOPPED;
}

static char *status_of(struct runtime *runtime, enum container_state state)
{
	const char *image_status = NULL;

	switch (state) {
	case CONTAINER_STOPPED:
		if (!runtime->intent->is_enabled)
			return xstrdup("disabled");
		if (runtime->is_finished && runtime->failure)
			return xstrdup(runtime->failure);
		return xstrdup(
			runtime->goal == GOAL_AUTO ? "stopped: to be started by hand" : "stopped");
	case CONTAINER_WAITING:
		if (!image_ready(runtime->name, &image_status) && image_status)
			return xstrdup(image_status);
		return xstrdup(runtime->failure ? runtime->failure : "starting");
	case CONTAINER_STARTING:
		return xstrdup("starting");
	case CONTAINER_STOPPING:
		return xstrdup("stopping");
	case CONTAINER_RUNNING:
		break;
	}
	(void)image_ready(runtime->name, &image_status);
	return xasprintf("running (pid %d)%s%s%s%s%s", (int)runtime->instance.pid,
		limits_note(runtime->intent), image_status ? "; " : "",
		image_status ? image_status : "",
		runtime->failure ? "; its new configuration is not used: " : "",
		runtime->failure ? runtime->failure : "");
}

void runtime_publish(struct runtime *runtime)
{
	struct container *container;

	if (!runtime->intent)
		return;
	container = object_copy(&runtime->intent->object);
	container->state = state_of(runtime);
	container->status = status_of(runtime, container->state);
	container->id = xstrdup(runtime->run.id);
	container->cmdline = xstrdup(runtime->run.cmdline);
	memcpy(container->image_id, runtime->run.image_id, sizeof(container->image_id));
	container->pid = runtime->instance.pidfd >= 0 ? runtime->instance.pid : 0;
	have_put(&container->object);
}
