/* ashlard: starts the layers in rank order, runs the loop, stops them in reverse. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ashlar/builtin.h"
#include "ashlar/clock.h"
#include "ashlar/containers.h"
#include "ashlar/credential.h"
#include "ashlar/datastore.h"
#include "ashlar/endpoint.h"
#include "ashlar/file.h"
#include "ashlar/hardware.h"
#include "ashlar/installer.h"
#include "ashlar/kernel.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/sbom.h"
#include "ashlar/server.h"
#include "ashlar/software.h"
#include "ashlar/starts.h"
#include "ashlar/state.h"
#include "ashlar/supervisor.h"
#include "ashlar/system.h"

#include "check.h"
#include "options.h"
#include "recovery.h"
#include "trial.h"

static struct {
	const struct options *options;
	uint64_t started_us;
	int status;
	bool is_restarting;
} self;

static int start_servers(struct err *err)
{
	const struct options *options = self.options;
	struct server_config config = { options->config_dir, options->run_dir, options->ssh_port,
		options->https_port };

	return server_start(&config, err);
}

static void start_provisioning(void)
{
	const struct ds_provision_config config = {
		.share_dir = self.options->share_dir,
		.cmdline = self.options->cmdline,
		.has_volumes = self.options->is_system,
	};

	if (config.cmdline)
		ds_provision_start(&config);
}

static void started(const struct err *err, void *arg)
{
	_cleanup_err_ struct err failure = { 0 };

	if (!err)
		containers_settled();
	if (!err && start_servers(&failure) < 0)
		err = &failure;
	if (err) {
		log_error("main", "%s", err_text(err));
		self.status = 1;
		loop_stop();
		return;
	}
	log_notice("main", "event=started kernel-changes=%llu us=%llu",
		(unsigned long long)kernel_changes_sent(),
		(unsigned long long)(clock_us() - self.started_us));
	log_hold(false); /* whoever waits for this line may look for those before it */
	fputs("ashlard: ready\n", stderr);
	supervisor_notify("READY=1\n");
	if (self.options->is_system) {
		console_say("ready");
		start_log_ready(self.started_us / 1000);
		recovery_say();
		trial_start(self.options->run_dir);
	}
	start_provisioning();
}

static void on_signal(int signo, void *arg)
{
	if (signo != SIGHUP) /* there is nothing to read again */
		loop_stop();
}

static void on_restart(void)
{
	self.is_restarting = true;
	loop_stop();
}

static int start_hardware(struct err *err)
{
	int r = kernel_on_uevent(hardware_changed, err);

	if (r == 0)
		hardware_init();
	return r;
}

/* What they are made of goes back with the rest, on a device that can go back. */
static int start_containers(const struct options *options, struct err *err)
{
	_cleanup_free_ char *refs = file_join(options->startup_dir, GENERATION_CONTAINERS);
	_cleanup_free_ char *claims =
		xasprintf("%s/generations/*/" GENERATION_CONTAINERS, options->config_dir);
	bool has_generations = software_now()->slot;
	struct containers_config config = {
		.run_dir = options->run_dir,
		.state_dir = options->state_dir,
		.refs_dir = has_generations ? refs : NULL,
		.claims = has_generations ? claims : NULL,
		.cgroup_parent = options->cgroup,
		.record = options->has_no_kernel,
	};

	return containers_init(&config, err);
}

static int start_layers(const struct options *options, struct err *err)
{
	struct ds_config ds = { options->config_dir, options->run_dir, options->state_dir,
		options->yang_dir, options->startup_dir };
	_cleanup_free_ char *netns_dir = file_join(options->run_dir, "netns");
	_cleanup_free_ char *key_dir = file_join(options->config_dir, "keys");
	int r = options->check ? 0 : ds_finish_reset(&ds, err);

	if (r < 0)
		return r;
	state_init();
	netns_set_dir(netns_dir);
	builtin_init(key_dir);
	credential_init(key_dir);
	endpoint_init(options->ssh_port, options->https_port);
	sbom_init(options->share_dir);
	installer_init(options->run_dir, options->share_dir, options->config_dir);
	software_init(options->run_dir, options->config_dir);
	if (!options->check)
		start_log_init(options->run_dir, options->config_dir);
	r = options->check ? 0 : recovery_prepare(options->startup_dir, options->config_dir, err);
	if (r == 0)
		r = start_containers(options, err);
	if (r == 0)
		r = kernel_init(options->has_no_kernel, err);
	if (r == 0)
		r = system_init(options->is_system, options->root, err);
	if (r == 0 && !options->check)
		r = start_hardware(err);
	return r < 0 ? r : ds_init(&ds, err);
}

static void end_log(void)
{
	enum power act;
	const char *why = power_asked(&act);

	if (!self.is_restarting && self.status == 0)
		start_log_end(!why		   ? ""
				: act == POWER_OFF ? "shutdown"
						   : "restart",
			why ? why : "");
}

static void stop_layers(void)
{
	server_stop();
	power_done();
	trial_end();
	ds_done();
	installer_done();
	software_done();
	start_log_done();
	sbom_done();
	containers_done();
	hardware_done();
	system_done();
	kernel_done();
	key_order_done();
	endpoint_done();
	state_done();
	credential_done();
	builtin_done();
}

static int run(const struct options *options, struct err *err)
{
	int r = options->check ? 0 : server_prepare(err); /* forks while we are small */

	if (r == 0)
		r = start_layers(options, err);
	if (r < 0)
		return r;
	if (options->check)
		return check_file(options->check, err);
	if (options->is_system)
		watchdog_start();
	loop_signal(SIGTERM, on_signal, NULL);
	loop_signal(SIGINT, on_signal, NULL);
	loop_signal(SIGHUP, on_signal, NULL);
	ds_on_restart(on_restart);
	power_prepare_with(containers_end);
	ds_start(started, NULL);
	loop_run();
	supervisor_notify("STOPPING=1\n");
	end_log();
	stop_layers();
	watchdog_stop();
	return 0;
}

int main(int argc, char **argv)
{
	struct options options;
	_cleanup_err_ struct err err = { 0 };

	mem_tune();
	clock_zone_look();
	if (options_parse(argc, argv, &options) < 0)
		return 2;
	self.options = &options;
	self.started_us = clock_us();
	prctl(PR_SET_DUMPABLE, 0); /* secrets stay out of core files */
	log_open(options.to_syslog, options.log_level);
	loop_init();
	if (run(&options, &err) < 0) {
		fprintf(stderr, "ashlard: %s%s%s\n", err.path ? err.path : "", err.path ? ": " : "",
			err_text(&err));
		self.status = 1;
	}
	loop_done();
	if (self.is_restarting)
		execv("/proc/self/exe", argv);
	return self.status;
}
