/*
 * The system calls that a container without privileges cannot make: those that reach parts of the
 * kernel which no namespace divides (keys, tracing of the kernel, modules, clocks, handles of files),
 * and those that have brought most of the kernel's holes to people without privileges (user
 * namespaces, io_uring, userfaultfd, bpf). What is left is as the capabilities say. A capability that
 * exists for a call opens that call again.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stddef.h>

#include "ashlar/mem.h"
#include "seccomp.h"

#define ANYBODY (-1)

static const struct {
	const char *call;
	int opened_by; /* CAP_*; ANYBODY: nothing opens it */
} refused[] = {
	{ "acct", CAP_SYS_PACCT },
	{ "add_key", ANYBODY },
	{ "adjtimex", CAP_SYS_TIME },
	{ "bpf", CAP_SYS_ADMIN },
	{ "clock_adjtime", CAP_SYS_TIME },
	{ "clock_settime", CAP_SYS_TIME },
	{ "create_module", ANYBODY },
	{ "delete_module", CAP_SYS_MODULE },
	{ "fanotify_init", CAP_SYS_ADMIN },
	{ "finit_module", CAP_SYS_MODULE },
	{ "fsconfig", CAP_SYS_ADMIN },
	{ "fsmount", CAP_SYS_ADMIN },
	{ "fsopen", CAP_SYS_ADMIN },
	{ "fspick", CAP_SYS_ADMIN },
	{ "get_kernel_syms", ANYBODY },
	{ "init_module", CAP_SYS_MODULE },
	{ "io_uring_enter", ANYBODY },
	{ "io_uring_register", ANYBODY },
	{ "io_uring_setup", ANYBODY },
	{ "ioperm", CAP_SYS_RAWIO },
	{ "iopl", CAP_SYS_RAWIO },
	{ "kcmp", CAP_SYS_PTRACE },
	{ "kexec_file_load", ANYBODY },
	{ "kexec_load", ANYBODY },
	{ "keyctl", ANYBODY },
	{ "lookup_dcookie", CAP_SYS_ADMIN },
	{ "mount", CAP_SYS_ADMIN },
	{ "mount_setattr", CAP_SYS_ADMIN },
	{ "move_mount", CAP_SYS_ADMIN },
	{ "name_to_handle_at", CAP_SYS_ADMIN },
	{ "nfsservctl", ANYBODY },
	{ "open_by_handle_at", CAP_DAC_READ_SEARCH },
	{ "open_tree", CAP_SYS_ADMIN },
	{ "perf_event_open", CAP_SYS_ADMIN },
	{ "pidfd_getfd", CAP_SYS_PTRACE },
	{ "pivot_root", CAP_SYS_ADMIN },
	{ "process_vm_readv", CAP_SYS_PTRACE },
	{ "process_vm_writev", CAP_SYS_PTRACE },
	{ "query_module", ANYBODY },
	{ "quotactl", CAP_SYS_ADMIN },
	{ "quotactl_fd", CAP_SYS_ADMIN },
	{ "reboot", CAP_SYS_BOOT },
	{ "request_key", ANYBODY },
	{ "setdomainname", CAP_SYS_ADMIN },
	{ "sethostname", CAP_SYS_ADMIN },
	{ "setns", CAP_SYS_ADMIN },
	{ "settimeofday", CAP_SYS_TIME },
	{ "swapoff", CAP_SYS_ADMIN },
	{ "swapon", CAP_SYS_ADMIN },
	{ "sysfs", ANYBODY },
	{ "syslog", CAP_SYSLOG },
	{ "umount", CAP_SYS_ADMIN },
	{ "umount2", CAP_SYS_ADMIN },
	{ "unshare", CAP_SYS_ADMIN },
	{ "uselib", ANYBODY },
	{ "userfaultfd", ANYBODY },
	{ "ustat", ANYBODY },
	{ "vm86", ANYBODY },
	{ "vm86old", ANYBODY },
};

static json_t *refused_names(uint64_t capabilities)
{
	json_t *names = json_array();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++)
		if (refused[i].opened_by == ANYBODY ||
			!(capabilities & (1ULL << refused[i].opened_by)))
			json_array_append_new(names, json_string(refused[i].call));
	return names;
}

json_t *seccomp_profile(uint64_t capabilities)
{
	json_t *rules = json_array();

	json_array_append_new(rules,
		json_pack("{s:o, s:s, s:i}", "names", refused_names(capabilities), "action",
			"SCMP_ACT_ERRNO", "errnoRet", EPERM));
	if (!(capabilities & (1ULL << CAP_SYS_ADMIN))) {
		/* A new user namespace would come with all capabilities in it. */
		json_array_append_new(rules,
			json_pack("{s:[s], s:s, s:i, s:[{s:i, s:I, s:I, s:s}]}", "names", "clone",
				"action", "SCMP_ACT_ERRNO", "errnoRet", EPERM, "args", "index", 0,
				"value", (json_int_t)CLONE_NEWUSER, "valueTwo",
				(json_int_t)CLONE_NEWUSER, "op", "SCMP_CMP_MASKED_EQ"));
		/* A filter cannot see the flags of clone3; libc falls back to clone. */
		json_array_append_new(rules,
			json_pack("{s:[s], s:s, s:i}", "names", "clone3", "action",
				"SCMP_ACT_ERRNO", "errnoRet", ENOSYS));
	}
	return json_pack("{s:s, s:o}", "defaultAction", "SCMP_ACT_ALLOW", "syscalls", rules);
}
