/* The system calls that a container without privileges cannot make. */
#ifndef CONTAINERS_SECCOMP_H
#define CONTAINERS_SECCOMP_H

#include <jansson.h>
#include <stdint.h>

/* linux.seccomp of config.json; @capabilities (bits of CAP_*) open what they are meant for. */
json_t *seccomp_profile(uint64_t capabilities);

#endif
