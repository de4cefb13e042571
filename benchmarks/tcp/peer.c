/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench-tcp's peer for round trips: `peer server` answers, `peer ADDRESS` asks 64 bytes at a time and prints the
 * 50th and the 99th percentile in microseconds.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT 5002
#define ROUNDS 50000
#define PING 64

static float trips[ROUNDS];

static int
cmp(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return ((x > y) - (x < y));
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	const int server = argc == 2 && strcmp(argv[1], "server") == 0;
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, conn;
	char ping[PING] = { 0 };
	double t;

	if (argc != 2 || fd < 0)
		return (2);
	if (server) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 || listen(fd, 1) != 0 ||
		    (conn = accept(fd, NULL, NULL)) < 0)
			return (1);
		setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		while (recv(conn, ping, PING, MSG_WAITALL) == PING)
			if (send(conn, ping, PING, MSG_NOSIGNAL) != PING)
				break;
		return (0);
	}
	if (inet_pton(AF_INET, argv[1], &sin.sin_addr) != 1 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		return (1);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (int i = 0; i < ROUNDS; i++) {
		t = now();
		if (send(fd, ping, PING, MSG_NOSIGNAL) != PING || recv(fd, ping, PING, MSG_WAITALL) != PING)
			return (1);
		trips[i] = (float)(now() - t);
	}
	qsort(trips, ROUNDS, sizeof(trips[0]), cmp);
	printf("%.3f %.3f\n", (double)trips[ROUNDS / 2], (double)trips[ROUNDS / 100 * 99]);
	return (0);
}
