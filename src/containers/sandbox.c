/*
 * What the process that unpacks images gives up before it reads a stranger's bytes: the file system
 * but for one directory, the network, sight of other processes, the privileges that making files does
 * not need, and the system calls that reach other parts of the kernel. The filter is a list of what is
 * refused (with EPERM), because what libc needs for allowed things differs between versions; it comes
 * on top of everything else.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

#define FILES_MAX 1024

static const int refused_calls[] = {
	SYS_acct,
	SYS_add_key,
	SYS_bpf,
	SYS_chroot,
	SYS_clock_settime,
	SYS_connect,
	SYS_delete_module,
	SYS_execve,
	SYS_execveat,
	SYS_finit_module,
	SYS_fsopen,
	SYS_init_module,
	SYS_io_uring_setup,
	SYS_kexec_load,
	SYS_keyctl,
	SYS_kill,
	SYS_mount,
	SYS_move_mount,
	SYS_name_to_handle_at,
	SYS_open_by_handle_at,
	SYS_open_tree,
	SYS_perf_event_open,
	SYS_pidfd_open,
	SYS_pidfd_getfd,
	SYS_pivot_root,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_ptrace,
	SYS_quotactl,
	SYS_reboot,
	SYS_request_key,
	SYS_sethostname,
	SYS_setns,
	SYS_socket,
	SYS_swapon,
	SYS_umount2,
	SYS_unshare,
	SYS_userfaultfd,
};

static const unsigned kept_capabilities[] = {
	CAP_CHOWN,
	CAP_DAC_OVERRIDE,
	CAP_FOWNER,
	CAP_FSETID,
	CAP_SETFCAP,
};

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define ARCHITECTURE AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__i386__)
#define ARCHITECTURE AUDIT_ARCH_I386
#else
#error "no seccomp architecture is known for this machine"
#endif

int sandbox_prepare(struct err *err)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(
			err, -errno, NULL, "cannot confine the unpacking: %s", strerror(errno));
	return 0;
}

pid_t sandbox_fork(void)
{
	/* Not unshare(2): after its first child the caller could fork no more. */
	return (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
}

static int limit_resources(void)
{
	struct rlimit files = { FILES_MAX, FILES_MAX }, none = { 0, 0 };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	unsigned capability;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kept_capabilities); i++)
		data[0].effective |= 1U << kept_capabilities[i];
	data[0].permitted = data[0].effective;
	for (capability = 0; capability < 64; capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno == EINVAL)
			break; /* the kernel knows no more */
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* arch != ours → kill; nr in the list → EPERM; nr of the x32 interface → EPERM; else allow. */
static int filter_calls(void)
{
	struct sock_filter filter[ARRAY_SIZE(refused_calls) + 7];
	struct sock_fprog program = { .filter = filter };
	size_t count = 0, i;

	filter[count++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	filter[count++] =
		(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
	filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	filter[count++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
	filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000U,
		(uint8_t)(ARRAY_SIZE(refused_calls) + 1), 0);
#endif
	for (i = 0; i < ARRAY_SIZE(refused_calls); i++)
		filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			(uint32_t)refused_calls[i], (uint8_t)(ARRAY_SIZE(refused_calls) - i), 0);
	filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	program.len = (unsigned short)count;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		return 0;
	return errno == EINVAL ? 0 : -errno; /* a kernel without: everything else holds */
}

int sandbox_enter(const char *dir, struct err *err)
{
	int ret = 0;

	if (chdir(dir) < 0 || chroot(".") < 0 || chdir("/") < 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		ret = -errno;
	if (ret == 0)
		ret = limit_resources();
	if (ret == 0)
		ret = drop_capabilities();
	if (ret == 0)
		ret = filter_calls();
	if (ret < 0)
		return err_set(err, ret, NULL, "cannot confine the unpacking: %s", strerror(-ret));
	return 0;
}
