/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first and only program of the virtual machine that hammer-vm starts: it runs the hammer by each path while it
 * takes CPUs away and brings them back, says so, and turns the machine off.
 *
 * The kernel's command line has the seconds a path: uvnet.seconds=N.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return (n < 0 ? -1 : 0);
}

static int
set_online(unsigned cpu, int online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return (write_file(path, online ? "1" : "0"));
}

/* Run the hammer while CPUs 1 and up come and go, one at a time. */
static void
hammer(char *seconds, const char *path)
{
	static char name[] = "/hammer";
	char *const argv[] = { name, seconds, NULL };
	const struct timespec while_off = { .tv_nsec = 150000000 };
	const unsigned ncpus = (unsigned)sysconf(_SC_NPROCESSORS_CONF);
	unsigned taken = 0, cpu = 1;
	int status = -1;
	pid_t pid;

	printf("# UVNET_RSEQ=%s\n", path);
	setenv("UVNET_RSEQ", path, 1);
	pid = fork();
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		taken += set_online(cpu, 0) == 0;
		nanosleep(&while_off, NULL);
		set_online(cpu, 1);
		nanosleep(&while_off, NULL);
		cpu = cpu % (ncpus - 1) + 1;
	}
	printf("# %u times a CPU was taken away and came back\n%s UVNET_RSEQ=%s\n", taken,
	    status == 0 && taken > 0 ? "PASS" : "FAIL", path);
}

int
main(void)
{
	static const char *const paths[] = { "on", "mm_cid", "off" };
	char line[4096] = "", *at, seconds[16] = "5";
	ssize_t n;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	at = n > 0 ? strstr(line, "uvnet.seconds=") : NULL;
	if (at != NULL)
		snprintf(seconds, sizeof(seconds), "%d", atoi(at + strlen("uvnet.seconds=")));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		hammer(seconds, paths[i]);
	sync();
	reboot(RB_POWER_OFF);
	return (1);
}
