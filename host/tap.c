/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interfaces whose other side is the host's: a TUN or TAP device, or an interface by a packet socket.
 *
 * A descriptor each, for somebody asked for it.  All three carry frames with the header that uvnet/if_tap.h describes,
 * so one read or write is up to 64 KiB of one connection; if_tap.ko cuts and joins.  Frames are read as they come, a
 * bounded number a turn.  What the other side does not take is lost, as on any wire.  A TUN or TAP device that is deleted takes
 * the carrier down for good; a packet socket does not learn of it.
 *
 * Who may: a TUN or TAP device is made by who has CAP_NET_ADMIN, or attached to by the user it was made for
 * (`ip tuntap add ... user`).  A packet socket takes CAP_NET_RAW, which everybody has in a user namespace of his
 * own.  Addresses of the host's side are the user's business.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uvnet/if_tap.h>
#include "stack.h"
#include "tap.h"

#define TURN_READS 16
#define TUN_USO 0x60U		/* TUN_F_USO4 | TUN_F_USO6, which older headers lack */

struct hosttap {
	LIST_ENTRY(hosttap) ht_le;
	struct watch ht_watch;
	struct task ht_task;
	struct corpse ht_corpse;
	struct worker *ht_worker;
	struct vnet *ht_vnet;
	struct ifnet *ht_ifp;
	int ht_fd;			/* -1: the device is gone */
	char ht_name[IFNAMSIZ_UV];	/* the interface's, in the stack; */
	char ht_device[IFNAMSIZ];	/* and on the host */
};

const struct tap_kpi *tap;

static_assert(TAP_FRAME_MAX <= WORKER_BUFSIZE, "a frame fits the worker's buffer");

/* ---- Frames ---- */

/* The device was deleted: its descriptor would be ready for ever. */
static void
tap_gone(struct hosttap *ht, int error)
{
	close(ht->ht_fd);
	ht->ht_fd = -1;
	CURVNET_SET(ht->ht_vnet);
	inet->if_link_state_change(ht->ht_ifp, LINK_STATE_DOWN);
	fprintf(stderr, "vnet: vnet \"%s\": interface %s: its device %s is gone: %s\n", ht->ht_vnet->vnet_name, ht->ht_name,
	    ht->ht_device, strerror(error));
	CURVNET_RESTORE();
}

static void
tap_readable(struct watch *watch, uint32_t events)
{
	struct hosttap *ht = (struct hosttap *)((char *)watch - offsetof(struct hosttap, ht_watch));
	unsigned char *buf = worker_buf(ht->ht_worker);
	ssize_t n;

	(void)events;
	n = 0;
	for (int i = 0; i < TURN_READS; i++) {
		n = read(ht->ht_fd, buf, TAP_FRAME_MAX);
		if (n >= 0)
			tap->input(ht->ht_ifp, buf, (size_t)n);
		else if (errno != EINTR)
			break;
	}
	/* A packet socket tells once that its interface is down; that may come up again. */
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN && errno != ENOBUFS)
		tap_gone(ht, errno);
}

static int
tap_write(void *arg, const struct iovec *iov, int n)
{
	const struct hosttap *ht = arg;
	ssize_t len;

	do {
		len = writev(ht->ht_fd, iov, n);
	} while (len < 0 && errno == EINTR);
	return (len < 0 ? -errno : 0);
}

static void
tap_soon(void *arg)
{
	struct hosttap *ht = arg;

	worker_ready(ht->ht_worker, &ht->ht_task);
}

static void
tap_task(struct task *t)
{
	tap->flush(((struct hosttap *)((char *)t - offsetof(struct hosttap, ht_task)))->ht_ifp);
}

static const struct tap_ops tap_ops = { .write = tap_write, .soon = tap_soon };

/* ---- Opening ---- */

static int
tun_open(const char *device, int ether, int *uso, struct uverr *err)
{
	const unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	struct ifreq ifr = { .ifr_flags = (short)((ether ? IFF_TAP : IFF_TUN) | IFF_NO_PI | IFF_VNET_HDR) };
	const char *mode = ether ? "tap" : "tun";
	int fd, error;

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return (uverr(err, errno, "/dev/net/tun: %s%s", strerror(errno),
		    errno == ENOENT || errno == ENXIO ? " (is the kernel's module `tun` there?)" : ""));
	memcpy(ifr.ifr_name, device, strlen(device));
	if (ioctl(fd, TUNSETIFF, &ifr) != 0) {
		error = errno;
		if (error == EPERM)
			uverr(err, error, "making it takes CAP_NET_ADMIN; or have root make it for this user:"
			    " ip tuntap add %s mode %s user %u", device, mode, geteuid());
		else if (error == EBUSY)
			uverr(err, error, "another process has it");
		else if (error == EINVAL)
			uverr(err, error, "there is an interface of that name, which is no %s device", mode);
		else
			uverr(err, error, "TUNSETIFF: %s", strerror(error));
		close(fd);
		return (-error);
	}
	/* Linux before 6.2 has no joined datagrams.  A kernel without any of them sends small packets with checksums. */
	*uso = ioctl(fd, TUNSETOFFLOAD, tso | TUN_USO) == 0;
	if (!*uso)
		ioctl(fd, TUNSETOFFLOAD, tso);
	return (fd);
}

static int
packet_open(const char *device, struct uverr *err)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq mreq = { .mr_type = PACKET_MR_PROMISC };
	const int on = 1;
	int fd, error;

	sll.sll_ifindex = mreq.mr_ifindex = (int)if_nametoindex(device);
	if (sll.sll_ifindex == 0)
		return (uverr(err, errno, "%s", strerror(errno)));
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return (uverr(err, errno, "%s", errno == EPERM ?
		    "a packet socket takes CAP_NET_RAW (in a user namespace with a network namespace everybody has it:"
		    " unshare -Urn)" : strerror(errno)));
	/* The stack has an address of its own, and what the host itself sends is not for it. */
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) != 0 ||
	    bind(fd, (struct sockaddr *)&sll, sizeof(sll)) != 0) {
		error = errno;
		close(fd);
		return (uverr(err, error, "packet socket: %s", strerror(error)));
	}
	return (fd);
}

/* Of the host's side; what cannot be the stack's is refused. */
static int
device_mtu(const char *device, int ether, unsigned *mtu, struct uverr *err)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error;

	memcpy(ifr.ifr_name, device, strlen(device));
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &ifr) != 0) {
		error = errno;
		if (fd >= 0)
			close(fd);
		return (uverr(err, error, "its MTU: %s", strerror(error)));
	}
	close(fd);
	if (ether ? ifr.ifr_mtu != ETHERMTU : ifr.ifr_mtu > IF_MTU_MAX)
		return (uverr(err, EINVAL, "its MTU is %d, and a stack's is %s%d: ip link set %s mtu %d", ifr.ifr_mtu,
		    ether ? "" : "at most ", ether ? ETHERMTU : IF_MTU_MAX, device, ether ? ETHERMTU : 1420));
	*mtu = (unsigned)ifr.ifr_mtu;
	return (0);
}

/* ---- Making ---- */

int
hosttap_create(struct stack *st, const struct config_interface *ifc, struct uverr *err)
{
	static const char *const kinds[] = { [CONFIG_TUN] = "tun", [CONFIG_TAP] = "tap", [CONFIG_PACKET] = "packet" };
	struct tap_params params = { .ops = &tap_ops, .ether = ifc->kind != CONFIG_TUN };
	struct hosttap *ht = calloc(1, sizeof(*ht));
	int error;

	if (ht == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	memcpy(ht->ht_name, ifc->name, sizeof(ht->ht_name));
	memcpy(ht->ht_device, ifc->device, sizeof(ht->ht_device));
	ht->ht_worker = st->st_worker;
	ht->ht_vnet = st->st_vnet;
	ht->ht_watch.w_func = tap_readable;
	ht->ht_task.t_func = tap_task;
	params.arg = ht;
	ht->ht_fd = ifc->kind == CONFIG_PACKET ? packet_open(ifc->device, err) :
	    tun_open(ifc->device, params.ether, &params.uso, err);
	if (ht->ht_fd < 0) {
		error = ht->ht_fd;
		goto fail;
	}
	error = device_mtu(ifc->device, params.ether, &params.mtu, err);
	if (error != 0)
		goto fail_fd;
	error = inet->if_clone_create("tap", ifc->name, &params, &ht->ht_ifp);
	if (error != 0) {
		uverr(err, -error, "%s", error == -ENOENT ? "no cloner \"tap\" (is if_tap.ko loaded?)" : strerror(-error));
		goto fail_fd;
	}
	/* Whether a neighbour out there has an address already, only asking shows. */
	error = interface_address(ht->ht_ifp, ifc, params.ether ? 0 : IN6_IFF_NODAD, err);
	if (error != 0)
		goto fail_ifp;
	error = worker_watch(st->st_worker, ht->ht_fd, EPOLLIN, &ht->ht_watch);
	if (error != 0) {
		uverr(err, -error, "epoll: %s", strerror(-error));
		goto fail_ifp;
	}
	LIST_INSERT_HEAD(&st->st_taps, ht, ht_le);
	return (0);

fail_ifp:
	inet->if_clone_destroy(ht->ht_ifp);
fail_fd:
	close(ht->ht_fd);
fail:
	/* Making it sent announcements of its addresses. */
	worker_unready(st->st_worker, &ht->ht_task);
	free(ht);
	uverr_prefix(err, "interface %s: %s %s", ifc->name, kinds[ifc->kind], ifc->device);
	return (error);
}

void
hosttap_destroy(struct stack *st, struct hosttap *ht)
{
	LIST_REMOVE(ht, ht_le);
	inet->if_clone_destroy(ht->ht_ifp);
	worker_unready(st->st_worker, &ht->ht_task);
	if (ht->ht_fd >= 0)
		close(ht->ht_fd);
	worker_bury(st->st_worker, &ht->ht_corpse, ht);
}

const char *
hosttap_device(const struct stack *st, const char *ifname)
{
	const struct hosttap *ht;

	LIST_FOREACH (ht, &st->st_taps, ht_le)
		if (strcmp(ht->ht_name, ifname) == 0)
			return (ht->ht_device);
	return (NULL);
}
