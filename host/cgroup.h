/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory that the process's control group may have (cgroup.c). */
#ifndef HOST_CGROUP_H
#define HOST_CGROUP_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The limit, in bytes, and the file that says so; SIZE_MAX and "": none.  `proc` is /proc/self/cgroup, `mount` where control
 * groups are mounted.
 */
#define CGROUP_PROC "/proc/self/cgroup"
#define CGROUP_MOUNT "/sys/fs/cgroup"
size_t cgroup_memory(const char *proc, const char *mount, char file[PATH_MAX]);

#endif
