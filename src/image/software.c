/*
 * The software that runs, as the daemon sees it. Ways on and back are the commit of a generation (generation.h)
 * and what follows from it; what follows is what ashlar-early would do at the next start, done now so that the
 * next start need not restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ashlar/boot-order.h"
#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/software.h"
#include "ashlar/str.h"

#define ROOT_DEVICE	"/dev/dm-0"
#define RECOVERY	2 /* of slot_names */
#define READ_SIZE	((size_t)1024 * 1024)
#define READ_ALIGN	4096
#define FILE_MAX	65536
#define OUTPUT_MAX	4096
#define DEADLINE_MS	600000
#define CONFIRM_SECONDS 600 /* when the installer says nothing */

enum act {
	ACT_HEALTHY,
	ACT_CONFIRM,
	ACT_ABANDON,
	ACT_ROLL_BACK,
	ACT_RESET,
};

static struct {
	struct software now;
	int slot; /* of slot_names; -1: none */
	char *run_dir, *disk_dir, *generation_dir;
	struct child *child;
	/* of the child */
	enum act act;
	uint32_t number;
	char *text; /* who, or why */
	software_fn done;
	void *arg;
	void (*changed)(void);
} software = { .slot = -1 };

const struct software *software_now(void)
{
	return &software.now;
}

void software_on_change(void (*changed)(void))
{
	software.changed = changed;
}

/* --- what there is ---------------------------------------------------------------------------------- */

static void forget_generations(void)
{
	generation_list_free(software.now.generations, software.now.generation_count);
	software.now.generations = NULL;
	software.now.generation_count = 0;
}

void software_refresh(void)
{
	struct software *now = &software.now;

	if (software.slot < 0)
		return;
	for (size_t i = 0; i < SOFTWARE_SLOTS; i++) {
		_cleanup_free_ char *path = slot_path(software.disk_dir, slot_names[i]);

		if (slot_read(path, &now->slots[i], NULL) < 0)
			now->slots[i] = (struct slot_header){ .state = SLOT_STATE_EMPTY };
	}
	forget_generations();
	if (generation_list(
		    software.generation_dir, &now->generations, &now->generation_count, NULL) < 0 ||
		generation_current(software.generation_dir, &now->current, NULL) < 0)
		now->current = 0;
	if (software.changed)
		software.changed();
}

static int slot_index(const char *name)
{
	for (int i = 0; slot_names[i]; i++)
		if (str_equal(slot_names[i], name))
			return i;
	return -1;
}

/* A line of what ashlar-early has told: "slot=a". */
static void take_fact(const char *name, const char *value)
{
	uint64_t number;

	if (str_equal(name, "slot"))
		software.slot = slot_index(value);
	else if (str_equal(name, "firmware"))
		software.now.firmware = str_equal(value, "uefi") ? "uefi" : "grub";
	else if (str_equal(name, "generation") && str_u64(value, 1, UINT32_MAX, &number) == 0)
		software.now.generation = (uint32_t)number;
	else if (str_equal(name, "trial"))
		software.now.is_trial = str_equal(value, "yes");
}

static void read_facts(void)
{
	_cleanup_free_ char *path = file_join(software.run_dir, "boot"), *text = NULL;
	char *rest, *line;
	size_t size;

	if (file_read(path, FILE_MAX, &text, &size, NULL) < 0)
		return;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		char *value = strchr(line, '=');

		if (value) {
			*value++ = '\0';
			take_fact(line, value);
		}
	}
	software.now.slot = software.slot < 0 ? NULL : slot_names[software.slot];
}

static void read_terms(void)
{
	_cleanup_free_ char *dir =
		generation_path(software.generation_dir, software.now.generation);
	_cleanup_free_ char *path = file_join(dir, GENERATION_TRIAL), *text = NULL;
	struct software_terms *terms = &software.now.terms;
	json_t *json = NULL;
	json_int_t seconds;
	size_t size;

	if (file_read(path, FILE_MAX, &text, &size, NULL) == 0)
		json = json_loadb(text, size, 0, NULL);
	seconds = json_integer_value(json_object_get(json, "confirm-timeout"));
	terms->confirm_s =
		seconds > 0 && seconds <= UINT32_MAX ? (uint32_t)seconds : CONFIRM_SECONDS;
	terms->persist_id = xstrdup(json_string_value(json_object_get(json, "persist-id")));
	terms->who = xstrdup(json_string_value(json_object_get(json, "who")));
	json_decref(json);
}

void software_init(const char *run_dir, const char *config_dir)
{
	software.run_dir = xstrdup(run_dir);
	software.disk_dir = file_join(run_dir, "disk");
	software.generation_dir = file_join(config_dir, "generations");
	read_facts();
	if (software.now.is_trial)
		read_terms();
	software_refresh();
}

void software_done(void)
{
	child_cancel(TAKE(software.child));
	forget_generations();
	free(software.now.terms.persist_id);
	free(software.now.terms.who);
	free(software.run_dir);
	free(software.disk_dir);
	free(software.generation_dir);
	free(software.text);
	memset(&software, 0, sizeof(software));
	software.slot = -1;
}

static bool is_startable(int slot)
{
	return software.now.slots[slot].state == SLOT_STATE_GOOD;
}

static bool has_image(const struct generation *generation, int slot)
{
	char hex[2 * SLOT_SHA256_BYTES + 1];

	str_hex(hex, software.now.slots[slot].sha256, SLOT_SHA256_BYTES);
	return str_equal(generation->image, hex);
}

const char *software_slot_of(const struct generation *generation)
{
	for (int i = 0; i < RECOVERY; i++)
		if (is_startable(i) && has_image(generation, i))
			return slot_names[i];
	return NULL;
}

uint32_t software_newest(const char *slot)
{
	int index = slot_index(slot);

	for (size_t i = software.now.generation_count; index >= 0 && i-- > 0;) {
		const struct generation *generation = &software.now.generations[i];

		/* the mark of the one that counts is left over */
		if ((!generation->is_trial || generation->number == software.now.current) &&
			has_image(generation, index))
			return generation->number;
	}
	return 0;
}

/* --- in the child ------------------------------------------------------------------------------------ */

static int write_slot(int slot, struct slot_header *header, struct err *err)
{
	_cleanup_free_ char *path = slot_path(software.disk_dir, slot_names[slot]);

	return slot_write(path, header, err);
}

/* Every block once, in the background, past the page cache. */
static void read_image(void)
{
	int fd = open(ROOT_DEVICE, O_RDONLY | O_DIRECT | O_CLOEXEC);
	void *block = aligned_alloc(READ_ALIGN, READ_SIZE);
	ssize_t n = fd < 0 || !block ? 0 : 1;

	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)syscall(
		SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
	while (n > 0)
		n = read(fd, block, READ_SIZE); /* what does not match its hash is a panic */
	free(block);
	mem_closep(&fd);
}

static int be_healthy(struct err *err)
{
	int r = 0;

	if (software.slot != RECOVERY)
		read_image();
	for (int i = 0; r == 0 && i < SOFTWARE_SLOTS; i++) {
		struct slot_header header = software.now.slots[i];

		/* that of a trial counts until it is confirmed */
		if ((i == software.slot || i == RECOVERY) && header.attempts &&
			header.state == SLOT_STATE_GOOD) {
			header.attempts = 0;
			r = write_slot(i, &header, err);
		}
	}
	return r;
}

/* The boot partition as a directory: mounted where nobody else sees it, or, in tests, one already. */
static int open_boot(char *path, size_t room, struct err *err)
{
	_cleanup_free_ char *device = slot_path(software.disk_dir, "boot");
	struct stat st;

	if (stat(device, &st) == 0 && S_ISDIR(st.st_mode)) {
		(void)snprintf(path, room, "%s", device);
		return 0;
	}
	(void)snprintf(path, room, "/boot");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		mount(device, path, "vfat", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_set(err, -errno, NULL, "the boot partition cannot be mounted: %s",
			strerror(errno));
	return 1;
}

/* @first, then the other one if it is good. What does not come off here is done at the next start. */
static void write_order(int first, const struct slot_header *slots)
{
	const struct boot_places usual = BOOT_PLACES;
	const struct boot_loader *loader = boot_order_loader(usual.efivars);
	_cleanup_free_ char *disk = slot_path(software.disk_dir, "disk");
	_cleanup_err_ struct err err = { 0 };
	struct boot_order order = { 0 };
	char boot[4096] = "";
	struct boot_places places = { usual.efivars, boot, disk };
	int mounted = loader->needs_boot ? open_boot(boot, sizeof(boot), &err) : 0;
	int r = mounted < 0 ? mounted : 0;

	boot_order_add(&order, slot_names[first]);
	for (int i = 0; i < RECOVERY; i++)
		if (slots[i].state == SLOT_STATE_GOOD)
			boot_order_add(&order, slot_names[i]);
	if (r == 0)
		r = loader->write(&places, &order, &err);
	if (mounted > 0 && umount(boot) < 0 && r == 0)
		r = err_set(&err, -errno, NULL, "the boot partition: %s", strerror(errno));
	if (r < 0)
		log_warning("software", "the boot order is changed at the next start: %s",
			err_text(&err));
}

/* The commit is the first step; each of the others is also what the next start makes up for. */
static int confirm_trial(struct err *err)
{
	struct software *now = &software.now;
	struct slot_header *header = &now->slots[software.slot];
	_cleanup_free_ char *terms = file_join(software.generation_dir, GENERATION_TRIAL);
	int r = generation_switch(software.generation_dir, now->generation, err);

	if (r < 0)
		return r;
	slot_set(header, SLOT_STATE_GOOD, "confirmed by %s", software.text);
	header->attempts = 0;
	header->generation = now->generation;
	header->activated = time(NULL);
	header->activated_count++;
	r = write_slot(software.slot, header, err);
	if (r == 0)
		r = generation_confirm(software.generation_dir, now->generation, err);
	(void)unlink(terms); /* no harm: the next installation writes it anew */
	if (r == 0)
		write_order(software.slot, now->slots);
	return r;
}

static int abandon_trial(struct err *err)
{
	struct slot_header *header = &software.now.slots[software.slot];

	slot_set(header, SLOT_STATE_FAILED, "%s", software.text);
	return write_slot(software.slot, header, err);
}

static const struct generation *find_generation(uint32_t number)
{
	for (size_t i = 0; i < software.now.generation_count; i++)
		if (software.now.generations[i].number == number)
			return &software.now.generations[i];
	return NULL;
}

static int roll_back(struct err *err)
{
	const struct generation *generation = find_generation(software.number);
	int slot = slot_index(software_slot_of(generation)), r;
	struct slot_header *header = &software.now.slots[slot];

	r = generation_switch(software.generation_dir, software.number, err);
	if (r < 0)
		return r;
	header->activated = time(NULL);
	header->activated_count++;
	r = write_slot(slot, header, err);
	write_order(slot, software.now.slots);
	return r;
}

/* From here on the device is one from the factory, whatever happens. */
static int mark_reset(struct err *err)
{
	struct slot_header *header = &software.now.slots[RECOVERY];

	header->reset = 1;
	return write_slot(RECOVERY, header, err);
}

static int run(void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	int r = 0;

	switch (software.act) {
	case ACT_HEALTHY:
		r = be_healthy(&err);
		break;
	case ACT_CONFIRM:
		r = confirm_trial(&err);
		break;
	case ACT_ABANDON:
		r = abandon_trial(&err);
		break;
	case ACT_ROLL_BACK:
		r = roll_back(&err);
		break;
	case ACT_RESET:
		r = mark_reset(&err);
		break;
	}
	if (r < 0)
		dprintf(STDOUT_FILENO, "%s", err_text(&err));
	return r < 0;
}

/* --- what is asked for ------------------------------------------------------------------------------- */

static void finished(const struct child_result *result, void *arg)
{
	static const char *const names[] = {
		[ACT_HEALTHY] = "healthy",
		[ACT_CONFIRM] = "confirmed",
		[ACT_ABANDON] = "abandoned",
		[ACT_ROLL_BACK] = "rolled-back",
		[ACT_RESET] = "factory-reset",
	};
	_cleanup_err_ struct err err = { 0 };
	software_fn done = software.done;

	software.child = NULL;
	if (result->status)
		err_tagged(&err, ERR_TAG_OPERATION_FAILED, NULL, "%s",
			result->output_size ? result->output : "it could not be written");
	else if (software.act == ACT_CONFIRM || software.act == ACT_ABANDON)
		software.now.is_trial = false;
	if (software.act == ACT_ABANDON)
		software.now.is_over = true;
	if (result->status)
		log_error("software", "event=%s failed: %s", names[software.act], err_text(&err));
	else
		log_notice("software", "event=%s slot=%s generation=%u %s%s%s", names[software.act],
			software.now.slot, software.number, software.text ? "by=\"" : "",
			software.text ? software.text : "", software.text ? "\"" : "");
	software_refresh();
	if (done)
		done(result->status ? &err : NULL, software.arg);
}

static int begin(enum act act, uint32_t number, const char *text, software_fn done, void *arg,
	struct err *err)
{
	struct child_opts opts = {
		.run = run,
		.output_max = OUTPUT_MAX,
		.deadline_ms = DEADLINE_MS,
		.done = finished,
	};

	if (software.child)
		return err_tagged(err, ERR_TAG_IN_USE, NULL, "the slots are being changed already");
	software.act = act;
	software.number = number;
	free(software.text);
	software.text = xstrdup(text);
	software.done = done;
	software.arg = arg;
	return child_start(&opts, &software.child, err);
}

void software_healthy(void)
{
	_cleanup_err_ struct err err = { 0 };

	if (software.slot >= 0 &&
		begin(ACT_HEALTHY, software.now.generation, NULL, NULL, NULL, &err) < 0)
		log_error("software", "%s", err_text(&err));
}

static int need_trial(struct err *err)
{
	if (software.now.is_trial)
		return 0;
	return err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL, "there is no trial");
}

/* Reading the image can wait: what the operator says cannot. */
static void stop_reading(void)
{
	if (software.child && software.act == ACT_HEALTHY)
		child_cancel(TAKE(software.child));
}

int software_confirm(const char *who, software_fn done, void *arg, struct err *err)
{
	int r = need_trial(err);

	if (r < 0)
		return r;
	stop_reading();
	return begin(ACT_CONFIRM, software.now.generation, who, done, arg, err);
}

int software_abandon(const char *reason, software_fn done, void *arg, struct err *err)
{
	int r = need_trial(err);

	if (r < 0)
		return r;
	stop_reading();
	return begin(ACT_ABANDON, software.now.generation, reason, done, arg, err);
}

int software_roll_back(
	uint32_t number, const char *who, software_fn done, void *arg, struct err *err)
{
	const struct generation *generation = find_generation(number);

	if (software.now.is_trial)
		return err_tagged(err, ERR_TAG_RESOURCE_DENIED, NULL,
			"generation %u is on trial: it is confirmed or abandoned first",
			software.now.generation);
	if (!generation)
		return err_tagged(
			err, ERR_TAG_DATA_MISSING, NULL, "there is no generation %u", number);
	if (!software_slot_of(generation))
		return err_tagged(err, ERR_TAG_DATA_MISSING, NULL,
			"no slot has the image of generation %u (version %s) any more", number,
			generation->version);
	stop_reading();
	return begin(ACT_ROLL_BACK, number, who, done, arg, err);
}

int software_reset(const char *who, software_fn done, void *arg, struct err *err)
{
	stop_reading();
	return begin(ACT_RESET, software.now.generation, who, done, arg, err);
}
