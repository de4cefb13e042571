/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two instances of one SQLite library, whose configuration is global: in the one URIs, statistics of memory, locks and
 * a limit of the heap; in the other none of them.  They work at the same time, and each must behave as configured.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvnet/vinst.h>

#define ROWS 20000
#define LIMIT (8 << 20)

struct config {
	const char *name;
	int threads; /* SQLITE_CONFIG_SERIALIZED or SQLITE_CONFIG_SINGLETHREAD */
	int uri, memstatus;
	sqlite3_int64 limit;
	struct vinst *vi;
	long sum;
	int messages, bad;
};

static pthread_barrier_t both;

#define EXPECT(c, what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s: line %d: %s\n", (c)->name, __LINE__, #what); \
			(c)->bad++; \
		} \
	} while (0)

static void
message(void *arg, int code, const char *text)
{
	(void)code;
	(void)text;
	((struct config *)arg)->messages++;
}

static long
number(struct config *c, sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	long n = -1;

	EXPECT(c, sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK);
	if (st != NULL && sqlite3_step(st) == SQLITE_ROW)
		n = (long)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return (n);
}

static void
work(struct config *c, sqlite3 *db)
{
	sqlite3_stmt *st = NULL;

	EXPECT(c, sqlite3_exec(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c INT); CREATE INDEX i ON t(c); BEGIN",
	    NULL, NULL, NULL) == SQLITE_OK);
	EXPECT(c, sqlite3_prepare_v2(db, "INSERT INTO t(b, c) VALUES(printf('row %d', ?1), ?1 * 7919 % 10007)", -1, &st,
	    NULL) == SQLITE_OK);
	for (int i = 0; i < ROWS; i++) {
		sqlite3_bind_int(st, 1, i);
		EXPECT(c, sqlite3_step(st) == SQLITE_DONE);
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	EXPECT(c, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
	c->sum = number(c, db, "SELECT sum(a * (c % 100)) + sum(length(b)) FROM t WHERE c > 500 AND b LIKE '%7%'");
}

static void *
instance(void *arg)
{
	struct config *c = arg;
	char name[64], blob[] = "SELECT length(hex(zeroblob(8000000)))";
	sqlite3 *db = NULL, *bad = NULL;

	vinst_enter(c->vi);
	EXPECT(c, sqlite3_config(c->threads) == SQLITE_OK);
	EXPECT(c, sqlite3_config(SQLITE_CONFIG_URI, c->uri) == SQLITE_OK);
	EXPECT(c, sqlite3_config(SQLITE_CONFIG_MEMSTATUS, c->memstatus) == SQLITE_OK);
	EXPECT(c, sqlite3_config(SQLITE_CONFIG_LOG, message, c) == SQLITE_OK);
	pthread_barrier_wait(&both);
	EXPECT(c, sqlite3_initialize() == SQLITE_OK);
	if (c->limit > 0)
		sqlite3_hard_heap_limit64(c->limit);
	/* Too late in this instance, whatever the other does. */
	EXPECT(c, sqlite3_config(SQLITE_CONFIG_URI, !c->uri) == SQLITE_MISUSE);

	/* As a URI it names no file. */
	snprintf(name, sizeof(name), "file:%s?mode=memory", c->name);
	EXPECT(c, sqlite3_open(name, &db) == SQLITE_OK);
	work(c, db);
	EXPECT(c, (access(name, F_OK) == 0) == !c->uri);
	EXPECT(c, (sqlite3_db_mutex(db) != NULL) == (c->threads == SQLITE_CONFIG_SERIALIZED));
	EXPECT(c, (sqlite3_memory_used() > 0) == c->memstatus);
	EXPECT(c, (number(c, db, blob) == 16000000) == (c->limit == 0));
	for (int i = 0; i < (c->uri ? 3 : 5); i++)
		EXPECT(c, sqlite3_prepare_v2(db, "SELECT nothing", -1, (sqlite3_stmt **)&bad, NULL) == SQLITE_ERROR);
	sqlite3_close(db);
	unlink(name);
	pthread_barrier_wait(&both);
	EXPECT(c, sqlite3_shutdown() == SQLITE_OK);
	vinst_enter(NULL);
	return (NULL);
}

int
main(void)
{
	struct config c[] = {
		{ .name = "first", .threads = SQLITE_CONFIG_SERIALIZED, .uri = 1, .memstatus = 1, .limit = LIMIT },
		{ .name = "second", .threads = SQLITE_CONFIG_SINGLETHREAD },
	};
	pthread_t thread[2];

	pthread_barrier_init(&both, NULL, 2);
	for (int i = 0; i < 2; i++)
		if ((c[i].vi = vinst_create()) == NULL || pthread_create(&thread[i], NULL, instance, &c[i]) != 0) {
			perror("instance");
			return (1);
		}
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		vinst_destroy(c[i].vi);
	}
	printf("sums %ld %ld; messages %d %d\n", c[0].sum, c[1].sum, c[0].messages, c[1].messages);
	return (c[0].bad + c[1].bad > 0 || c[0].sum != c[1].sum || c[0].sum <= 0 || c[0].messages == 0 ||
	    c[1].messages == c[0].messages);
}
