/* The command line of ashlard. */
#ifndef ASHLAR_OPTIONS_H
#define ASHLAR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/log.h"

struct options {
	const char *root; /* before what --system makes of other files than those below; "" */
	const char *config_dir, *run_dir, *state_dir, *yang_dir, *share_dir;
	const char *startup_dir; /* config_dir, unless it is given */
	const char *cgroup;	 /* of all containers, below the root of version 2 */
	const char *cmdline;	 /* a file; NULL: not looked at */
	const char *
		check; /* file to validate instead of serving, which changes nothing; NULL: serve */
	enum log_level log_level;
	bool is_system, has_no_kernel, to_syslog;
	uint16_t ssh_port, https_port; /* 0: none */
};

/* Defaults and what the arguments say; strings are borrowed. On failure stderr has said why. */
int options_parse(int argc, char **argv, struct options *ret_options) WARN_UNUSED;

#endif
