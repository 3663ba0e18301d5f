/* What the files of the runtime share: one container as a program. */
#ifndef CONTAINERS_RUNTIME_PRIVATE_H
#define CONTAINERS_RUNTIME_PRIVATE_H

#include "ashlar/child.h"
#include "ashlar/containers.h"
#include "ashlar/loop.h"
#include "instance.h"
#include "usage.h"

enum phase {
	PHASE_IDLE,
	PHASE_STARTING,
	PHASE_RUNNING,
	PHASE_STOPPING,
	PHASE_DELETING,
};

/* What an operator asked for; until the next boot. */
enum goal {
	GOAL_AUTO, /* what configuration says */
	GOAL_UP,
	GOAL_DOWN,
};

/* What a run was made from: run.json in the bundle. */
struct run {
	char *id, *cmdline;
	char digest[IMAGE_DIGEST_MAX], image_id[IMAGE_DIGEST_MAX];
	int stop_signal;
};

struct runtime {
	char *name;
	struct container *intent; /* NULL: wanted no longer */
	enum phase phase;
	enum goal goal;
	bool is_confirmed; /* configuration has asked for it since start */
	bool must_restart; /* what runs is to end whatever else */
	bool is_finished;  /* ended for good, by the restart policy */
	bool is_kicked;
	unsigned failures;
	char *failure; /* why it does not run, or does not run as wanted; may be NULL */
	char *config;  /* text of the config.json that it runs from; may be NULL */
	struct run run;
	struct instance instance;
	struct loop_watch *watch; /* of the monitor, or of the program without one */
	struct child *job;	  /* starting, deleting */
	struct loop_timer *timer; /* idle: the next try; stopping: patience */
	struct usage_meter meter;
};

/* --- runtime.c ----------------------------------------------------------------------------------- */

/* What configuration and operator say together. */
bool runtime_is_up_wanted(const struct runtime *runtime);

/* --- runtime-status.c ---------------------------------------------------------------------------- */

/* Puts what is known of it into have; nothing when it is wanted no longer. */
void runtime_publish(struct runtime *runtime);

/* --- runtime-bundle.c ---------------------------------------------------------------------------- */

int runtime_save(const struct runtime *runtime, const char *file, const char *text,
	struct err *err) WARN_UNUSED;
void runtime_save_goal(const struct runtime *runtime);
void runtime_load_goal(struct runtime *runtime);
int runtime_save_run(const struct runtime *runtime, struct err *err) WARN_UNUSED;
void runtime_load_run(struct runtime *runtime);
/* Never NULL: of a damaged record an empty one, which configuration will find different. */
struct container *runtime_load_intent(const char *name);
/* All of the program's files, its logs too; the marker last. */
void runtime_remove_files(const struct runtime *runtime);

#endif
