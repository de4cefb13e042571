/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * if_tap between two stacks: what one writes to its descriptor, the other reads from its own.  The descriptors are a queue
 * of frames here, so all of it runs without root; tests/e2e/tap.py has the real ones.
 */
#include <arpa/inet.h>
#include "../net/net-test.h"
#include <uvnet/if_tap.h>
#include <uvnet/sysctl.h>

#define NFRAMES 256

struct node {
	struct end end;
	struct node *other;
	int flush;		/* wanted soon */
	int deaf;		/* its descriptor takes nothing */
};

static const struct tap_kpi *tap;
static linker_file_t tap_file;
static struct node node[2];
static struct frame {
	struct node *to;
	size_t len;
	unsigned char *bytes;
} queue[NFRAMES];
static unsigned nqueue;
static size_t largest;		/* frame, since a test began */

static int
node_write(void *arg, const struct iovec *iov, int n)
{
	struct node *nd = arg;
	struct frame *f = &queue[nqueue];
	size_t at = 0;

	if (nd->deaf || nqueue == NFRAMES)
		return (-EAGAIN);
	*f = (struct frame){ .to = nd->other };
	for (int i = 0; i < n; i++)
		f->len += iov[i].iov_len;
	assert_in_range(f->len, sizeof(struct tap_hdr) + 1, TAP_FRAME_MAX);
	f->bytes = malloc(f->len);
	assert_non_null(f->bytes);
	for (int i = 0; i < n; i++) {
		memcpy(f->bytes + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	largest = f->len > largest ? f->len : largest;
	nqueue++;
	return (0);
}

static void
node_soon(void *arg)
{
	((struct node *)arg)->flush = 1;
}

static const struct tap_ops ops = { .write = node_write, .soon = node_soon };

/* What the host's loop does. */
static void
frames_run(void)
{
	struct frame f;

	for (int i = 0; i < 2; i++)
		if (node[i].flush) {
			node[i].flush = 0;
			tap->flush(node[i].end.ifp);
		}
	while (nqueue > 0) {
		f = queue[0];
		memmove(queue, queue + 1, --nqueue * sizeof(f));
		tap->input(f.to->end.ifp, f.bytes, f.len);
		free(f.bytes);
	}
}

static void
module_load(void)
{
	char path[4096];
	struct uverr err;

	snprintf(path, sizeof(path), "%s/if_tap.ko", getenv("UVNET_MODULES"));
	if (kld_load(path, &tap_file, &err) != 0)
		fail_msg("%s", err.text);
	tap = kld_lookup(tap_file, "tap_kpi");
	assert_non_null(tap);
	assert_int_equal(tap->version, TAP_KPI_VERSION);
}

static void
nodes_make(int ether)
{
	struct tap_params params = { .ops = &ops, .ether = ether, .mtu = 1420 };
	struct uverr err;
	struct in_addr in;

	memset(node, 0, sizeof(node));
	largest = 0;
	for (unsigned i = 0; i < 2; i++) {
		node[i].other = &node[!i];
		params.arg = &node[i];
		in.s_addr = htonl(0x0a000001 + i);
		assert_int_equal(vnet_alloc(i == 0 ? "a" : "b", 0, &node[i].end.v, &err), 0);
		CURVNET_SET(node[i].end.v);
		assert_int_equal(inet->if_clone_create("tap", "tap0", &params, &node[i].end.ifp), 0);
		assert_int_equal(inet->if_addaddr(node[i].end.ifp, in, 24), 0);
		CURVNET_RESTORE();
	}
}

static void
nodes_destroy(void)
{
	for (unsigned i = 0; i < 2; i++)
		vnet_destroy(node[i].end.v);
	while (nqueue > 0)
		free(queue[--nqueue].bytes);
	run_idle();
	assert_int_equal(bufs_used(), 0);
}

static unsigned long
counted(const struct node *nd, const char *name)
{
	char full[64], text[SYSCTL_TEXTLEN];

	snprintf(full, sizeof(full), "net.link.tap.%s", name);
	assert_non_null(sysctl_find(full));
	CURVNET_SET(nd->end.v);
	assert_true(sysctl_get(sysctl_find(full), text) > 0);
	CURVNET_RESTORE();
	return (strtoul(text, NULL, 10));
}

static int
transfer_done(void *arg)
{
	const struct stream *s = arg;

	frames_run();
	return (s->eof || s->dead);
}

static void
transfer(uint64_t bytes)
{
	struct listener l = { 0 };
	struct stream s = { .tosend = bytes, .shut = 1 };

	listener_open(&l, &node[1].end, "10.0.0.2", 80);
	stream_connect(&s, &node[0].end, "10.0.0.2", 80);
	assert_true(run_until(transfer_done, &l.conn, 60000));
	assert_int_equal(l.conn.rcvd, bytes);
	assert_int_equal(l.conn.bad, 0);
	stream_close(&s, 0);
	stream_close(&l.conn, 0);
	listener_close(&l);
	frames_run();
}

static void
carry(int ether)
{
	unsigned long packets, frames;

	nodes_make(ether);
	transfer(8 * MB);
	packets = counted(&node[0], "tx_packets");
	frames = counted(&node[0], "tx_frames");
	assert_int_equal(counted(&node[1], "rx_packets"), packets);	/* cut as they were joined */
	assert_int_equal(counted(&node[1], "rx_frames"), frames);
	assert_int_equal(counted(&node[1], "rx_bad"), 0);
	assert_int_equal(counted(&node[0], "tx_errors"), 0);
	assert_in_range(frames, 1, packets / 2);
	assert_in_range(largest, 4 * 1400, TAP_FRAME_MAX);
	nodes_destroy();
}

static void
segments_are_joined_and_cut_with_ethernet(void **state)
{
	(void)state;
	carry(1);
}

static void
segments_are_joined_and_cut_without(void **state)
{
	(void)state;
	carry(0);
}

/* An IPv4 packet to 10.0.0.2 with a header in front; TCP, or what `proto` says. */
static size_t
frame_make(unsigned char *frame, struct tap_hdr h, unsigned char proto, size_t payload)
{
	static const unsigned char ip[20] = { 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2 };
	unsigned char *p = frame + sizeof(h);

	memcpy(frame, &h, sizeof(h));
	memset(p, 0, 40 + payload);
	memcpy(p, ip, sizeof(ip));
	p[2] = (unsigned char)((40 + payload) >> 8);
	p[3] = (unsigned char)(40 + payload);
	p[9] = proto;
	p[20 + 12] = 0x50;
	return (sizeof(h) + 40 + payload);
}

static void
frames_that_contradict_themselves_are_counted(void **state)
{
	static const struct {
		struct tap_hdr h;
		unsigned char proto;
		size_t payload;
	} bad[] = {
		{ { .gso_type = TAP_GSO_TCPV4, .gso_size = 0 }, 6, 5000 },
		{ { .gso_type = TAP_GSO_TCPV4, .gso_size = 1381 }, 6, 5000 },		/* beyond the MTU */
		{ { .gso_type = TAP_GSO_TCPV4, .gso_size = 1000 }, 17, 5000 },		/* UDP */
		{ { .gso_type = TAP_GSO_TCPV6, .gso_size = 1000 }, 6, 5000 },
		{ { .gso_type = 3, .gso_size = 1000 }, 6, 5000 },
		{ { .gso_type = 0xff, .gso_size = 1000 }, 6, 5000 },
		{ { .gso_type = TAP_GSO_NONE }, 6, 1381 },				/* too long for one */
		{ { .flags = TAP_NEEDS_CSUM, .csum_start = 140 }, 6, 100 },
		{ { .flags = TAP_NEEDS_CSUM, .csum_start = 20, .csum_offset = 119 }, 6, 100 },
		{ { .flags = TAP_NEEDS_CSUM, .csum_start = 20, .csum_offset = 0xffff }, 6, 100 },
	};
	unsigned char frame[6000];
	size_t len;

	(void)state;
	nodes_make(0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		len = frame_make(frame, bad[i].h, bad[i].proto, bad[i].payload);
		tap->input(node[1].end.ifp, frame, len);
	}
	len = frame_make(frame, (struct tap_hdr){ .gso_type = TAP_GSO_TCPV4, .gso_size = 1000 }, 6, 5000);
	for (size_t n = 0; n < sizeof(struct tap_hdr) + 40; n++)
		tap->input(node[1].end.ifp, frame, n);
	frame[sizeof(struct tap_hdr) + 20 + 12] = 0x40;		/* a TCP header of 16 bytes */
	tap->input(node[1].end.ifp, frame, len);
	assert_int_equal(counted(&node[1], "rx_bad"), sizeof(bad) / sizeof(bad[0]) + sizeof(struct tap_hdr) + 40 + 1);
	assert_int_equal(counted(&node[1], "rx_packets"), 0);
	frame[sizeof(struct tap_hdr) + 20 + 12] = 0x50;
	tap->input(node[1].end.ifp, frame, len);		/* that one was good */
	assert_int_equal(counted(&node[1], "rx_packets"), 5);
	transfer(MB);
	nodes_destroy();
}

static void
what_the_descriptor_refuses_is_lost_and_counted(void **state)
{
	struct stream s = { .tosend = MB, .shut = 1 };

	(void)state;
	nodes_make(0);
	node[0].deaf = 1;
	stream_connect(&s, &node[0].end, "10.0.0.2", 80);
	run_idle();
	frames_run();
	assert_int_equal(counted(&node[0], "tx_errors"), 1);		/* its SYN */
	assert_int_equal(counted(&node[0], "tx_packets"), 0);
	stream_close(&s, 1);
	node[0].deaf = 0;
	transfer(MB);
	nodes_destroy();
}

static void
a_constructor_that_fails_leaves_nothing(void **state)
{
	struct tap_params params = { .ops = &ops, .mtu = 67 }, group = { .ops = &ops, .ether = 1, .mac = { 1 } };
	struct vnet_heap_stats before, after;
	struct ifnet *ifp;

	(void)state;
	nodes_make(0);
	CURVNET_SET(node[0].end.v);
	vnet_heap_stat(&before);
	assert_int_equal(inet->if_clone_create("tap", "tap1", NULL, &ifp), -EINVAL);
	assert_int_equal(inet->if_clone_create("tap", "tap1", &params, &ifp), -EINVAL);
	params.mtu = IF_MTU_MAX + 1;
	assert_int_equal(inet->if_clone_create("tap", "tap1", &params, &ifp), -EINVAL);
	assert_int_equal(inet->if_clone_create("tap", "tap1", &group, &ifp), -EINVAL);
	params.mtu = 1420;
	assert_int_equal(inet->if_clone_create("tap", "tap0", &params, &ifp), -EEXIST);
	vnet_heap_stat(&after);
	assert_int_equal(after.used, before.used);
	CURVNET_RESTORE();
	nodes_destroy();
}

static void
the_module_goes_and_comes(void **state)
{
	struct uverr err;

	(void)state;
	nodes_make(1);
	transfer(MB);
	assert_int_equal(kld_unload(tap_file, &err), 0);	/* with its interfaces */
	nodes_destroy();
	module_load();
	nodes_make(1);
	transfer(MB);
	nodes_destroy();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_joined_and_cut_with_ethernet),
		cmocka_unit_test(segments_are_joined_and_cut_without),
		cmocka_unit_test(frames_that_contradict_themselves_are_counted),
		cmocka_unit_test(what_the_descriptor_refuses_is_lost_and_counted),
		cmocka_unit_test(a_constructor_that_fails_leaves_nothing),
		cmocka_unit_test(the_module_goes_and_comes),
	};
	int failed;

	net_test_init(1);
	module_load();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	net_test_fini();
	return (failed);
}
