/* The command line. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/str.h"

#include "options.h"

enum {
	OPT_SYSTEM = 256,
	OPT_ROOT,
	OPT_CONFIG_DIR,
	OPT_STARTUP_DIR,
	OPT_RUN_DIR,
	OPT_STATE_DIR,
	OPT_YANG_DIR,
	OPT_SHARE_DIR,
	OPT_CGROUP,
	OPT_CMDLINE,
	OPT_NO_KERNEL,
	OPT_LOG_LEVEL,
	OPT_SYSLOG,
	OPT_CHECK,
	OPT_SSH_PORT,
	OPT_HTTPS_PORT,
};

static const struct option long_options[] = {
	{ "system", no_argument, NULL, OPT_SYSTEM },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "config-dir", required_argument, NULL, OPT_CONFIG_DIR },
	{ "startup-dir", required_argument, NULL, OPT_STARTUP_DIR },
	{ "run-dir", required_argument, NULL, OPT_RUN_DIR },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "yang-dir", required_argument, NULL, OPT_YANG_DIR },
	{ "share-dir", required_argument, NULL, OPT_SHARE_DIR },
	{ "cgroup", required_argument, NULL, OPT_CGROUP },
	{ "cmdline", required_argument, NULL, OPT_CMDLINE },
	{ "no-kernel", no_argument, NULL, OPT_NO_KERNEL },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "syslog", no_argument, NULL, OPT_SYSLOG },
	{ "check", required_argument, NULL, OPT_CHECK },
	{ "ssh-port", required_argument, NULL, OPT_SSH_PORT },
	{ "https-port", required_argument, NULL, OPT_HTTPS_PORT },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"Usage: ashlard [options]\n"
	"  --system            change accounts, host name, clock and services of this machine\n"
	"  --root DIR          where that machine's other files are, such as /etc (/)\n"
	"  --config-dir DIR    startup configuration and keys (/cfg)\n"
	"  --startup-dir DIR   startup configuration, where that is elsewhere\n"
	"  --run-dir DIR       what a restart within one boot needs, sockets (/run/ashlar)\n"
	"  --state-dir DIR     containers, volumes, downloads (/var/lib/ashlar)\n"
	"  --yang-dir DIR      YANG modules (" YANG_INSTALL_DIR ")\n"
	"  --share-dir DIR     what the image says of itself, who may sign upgrades (/usr/share/ashlar)\n"
	"  --cgroup PATH       containers' control groups, below the root of the hierarchy (/ashlar)\n"
	"  --cmdline FILE      the kernel's command line: where a first configuration may be (with\n"
	"                      --system: /proc/cmdline)\n"
	"  --no-kernel         change nothing: record what would be done\n"
	"  --ssh-port PORT     NETCONF over SSH (830; 0: none)\n"
	"  --https-port PORT   RESTCONF over HTTPS (443; 0: none)\n"
	"  --log-level LEVEL   error, warning, notice, info or debug\n"
	"  --syslog            log to syslog instead of stderr\n"
	"  --check FILE        validate a configuration file and exit\n";

static int parse_port(const char *text, uint16_t *ret_port)
{
	uint64_t value;
	int r = str_u64(text, 0, UINT16_MAX, &value);

	if (r < 0)
		fprintf(stderr, "ashlard: %s is not a port number\n", text);
	else
		*ret_port = (uint16_t)value;
	return r;
}

/* One name, as what is above it is not ours to make. */
static int parse_cgroup(const char *text, const char **ret_path)
{
	if (*text != '/' || !text[1] || text[1] == '.' || strchr(text + 1, '/')) {
		fprintf(stderr, "ashlard: %s is no control group below the root\n", text);
		return -EINVAL;
	}
	*ret_path = text;
	return 0;
}

static int parse_option(struct options *options, int c)
{
	switch (c) {
	case OPT_SYSTEM:
		options->is_system = true;
		return 0;
	case OPT_ROOT:
		options->root = optarg;
		return 0;
	case OPT_CONFIG_DIR:
		options->config_dir = optarg;
		return 0;
	case OPT_STARTUP_DIR:
		options->startup_dir = optarg;
		return 0;
	case OPT_RUN_DIR:
		options->run_dir = optarg;
		return 0;
	case OPT_STATE_DIR:
		options->state_dir = optarg;
		return 0;
	case OPT_YANG_DIR:
		options->yang_dir = optarg;
		return 0;
	case OPT_SHARE_DIR:
		options->share_dir = optarg;
		return 0;
	case OPT_CGROUP:
		return parse_cgroup(optarg, &options->cgroup);
	case OPT_CMDLINE:
		options->cmdline = optarg;
		return 0;
	case OPT_NO_KERNEL:
		options->has_no_kernel = true;
		return 0;
	case OPT_SYSLOG:
		options->to_syslog = true;
		return 0;
	case OPT_CHECK:
		options->check = optarg;
		return 0;
	case OPT_SSH_PORT:
		return parse_port(optarg, &options->ssh_port);
	case OPT_HTTPS_PORT:
		return parse_port(optarg, &options->https_port);
	case OPT_LOG_LEVEL:
		if (log_level_parse(optarg, &options->log_level) == 0)
			return 0;
		fprintf(stderr, "ashlard: %s is not a log level\n", optarg);
		return -EINVAL;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		return -EINVAL;
	}
}

static void set_defaults(struct options *options)
{
	*options = (struct options){
		.root = "",
		.config_dir = "/cfg",
		.run_dir = "/run/ashlar",
		.state_dir = "/var/lib/ashlar",
		.yang_dir = YANG_INSTALL_DIR,
		.share_dir = "/usr/share/ashlar",
		.cgroup = "/ashlar",
		.log_level = LOG_LEVEL_NOTICE,
		.ssh_port = 830,
		.https_port = 443,
	};
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	int c;

	set_defaults(ret_options);
	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
		if (parse_option(ret_options, c) < 0)
			return -EINVAL;
	}
	if (optind < argc) {
		fprintf(stderr, "ashlard: unknown argument %s\n", argv[optind]);
		return -EINVAL;
	}
	if (!ret_options->startup_dir)
		ret_options->startup_dir = ret_options->config_dir;
	if (!ret_options->cmdline && ret_options->is_system)
		ret_options->cmdline = "/proc/cmdline";
	if (ret_options->check) {
		ret_options->has_no_kernel = true;
		ret_options->is_system = false;
	}
	return 0;
}
