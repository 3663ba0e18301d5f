/* When a process began, and what it does with signals, from /proc (proc(5)). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ashlar/file.h"
#include "ashlar/mem.h"
#include "procstat.h"

#define STAT_MAX ((size_t)16384)

static char *read_process(pid_t pid, const char *file)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/%s", (int)pid, file);
	char *text = NULL;

	return file_read_virtual(path, STAT_MAX, &text, NULL) < 0 ? NULL : text;
}

uint64_t procstat_start(pid_t pid)
{
	_cleanup_free_ char *text = read_process(pid, "stat");
	/* The second field is a name, which may hold anything; state is the 3rd, start the 22nd. */
	const char *at = text ? strrchr(text, ')') : NULL;
	int field;

	if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
		return 0;
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

static uint64_t signal_set(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

bool procstat_handles(pid_t pid, int signo)
{
	_cleanup_free_ char *text = read_process(pid, "status");
	uint64_t set;

	if (!text)
		return true;
	set = signal_set(text, "\nSigCgt:") | signal_set(text, "\nSigBlk:");
	return set & (1ULL << (signo - 1));
}
