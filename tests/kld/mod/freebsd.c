/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * freebsd.ko: a module's source as it would be written for FreeBSD.  Nothing here is ours, and no #ifdef.
 */
#include <sys/cdefs.h>
__FBSDID("$FreeBSD$");

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/counter.h>
#include <sys/errno.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/pcpu.h>
#include <sys/queue.h>
#include <sys/smp.h>
#include <sys/sysctl.h>

#include <net/vnet.h>

struct fb_softc {
	int sc_unit;
	LIST_ENTRY(fb_softc) sc_list;
};

VNET_DEFINE(int, fb_ttl) = 64;
#define	V_fb_ttl	VNET(fb_ttl)
VNET_DEFINE_STATIC(LIST_HEAD(, fb_softc), fb_list);
#define	V_fb_list	VNET(fb_list)
VNET_DEFINE_STATIC(struct fb_softc, fb_first);
#define	V_fb_first	VNET(fb_first)
VNET_DEFINE_STATIC(counter_u64_t, fb_packets);
#define	V_fb_packets	VNET(fb_packets)

DPCPU_DEFINE_STATIC(u_long, fb_hits);

static int fb_loaded;

/* One name of each type.  Read by tests/kld/test-kld-sysctl.c. */
VNET_DEFINE_STATIC(u_int, fb_uint) = 4000000000u;
VNET_DEFINE_STATIC(long, fb_long) = -5;
VNET_DEFINE_STATIC(uint64_t, fb_u64) = UINT64_MAX;
VNET_DEFINE_STATIC(int16_t, fb_s16) = -300;
VNET_DEFINE_STATIC(uint8_t, fb_u8) = 200;
VNET_DEFINE_STATIC(bool, fb_bool) = true;
VNET_DEFINE_STATIC(char, fb_name[8]) = "fb";
VNET_DEFINE_STATIC(int, fb_even) = 2;
VNET_DEFINE_STATIC(int, fb_hash) = 64;

static int
sysctl_fb_even(SYSCTL_HANDLER_ARGS)
{
	int error, even;

	even = *(int *)arg1;
	error = sysctl_handle_int(oidp, &even, arg2, req);
	if (error != 0 || req->newptr == NULL)
		return (error);
	if (even % 2 != 0)
		return (EINVAL);
	*(int *)arg1 = even;
	return (0);
}

SYSCTL_DECL(_net_inet);
static SYSCTL_NODE(_net_inet, OID_AUTO, fb, CTLFLAG_RW | CTLFLAG_MPSAFE, 0, "A module's");
SYSCTL_INT(_net_inet_fb, OID_AUTO, ttl, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(fb_ttl), 0, "Time to live");
SYSCTL_UINT(_net_inet_fb, OID_AUTO, uint, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(fb_uint), 0, "unsigned");
SYSCTL_LONG(_net_inet_fb, OID_AUTO, long, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(fb_long), 0, "long");
SYSCTL_U64(_net_inet_fb, OID_AUTO, u64, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(fb_u64), 0, "uint64");
SYSCTL_S16(_net_inet_fb, OID_AUTO, s16, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(fb_s16), 0, "int16");
SYSCTL_U8(_net_inet_fb, OID_AUTO, u8, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(fb_u8), 0, "uint8");
SYSCTL_BOOL(_net_inet_fb, OID_AUTO, flag, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(fb_bool), 0, "bool");
SYSCTL_STRING(_net_inet_fb, OID_AUTO, name, CTLFLAG_VNET | CTLFLAG_RW, VNET_NAME(fb_name), sizeof(VNET_NAME(fb_name)),
    "string");
SYSCTL_PROC(_net_inet_fb, OID_AUTO, even, CTLTYPE_INT | CTLFLAG_VNET | CTLFLAG_RW | CTLFLAG_MPSAFE, &VNET_NAME(fb_even), 0,
    sysctl_fb_even, "I", "An even number");
SYSCTL_INT(_net_inet_fb, OID_AUTO, hash, CTLFLAG_VNET | CTLFLAG_RDTUN, &VNET_NAME(fb_hash), 0, "Tunable");
SYSCTL_INT(_net_inet_fb, OID_AUTO, loaded, CTLFLAG_RW, &fb_loaded, 0, "The process's");
SYSCTL_INT(_net_inet_fb, OID_AUTO, version, CTLFLAG_RD, SYSCTL_NULL_INT_PTR, 14, "A constant");
SYSCTL_COUNTER_U64(_net_inet_fb, OID_AUTO, packets, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(fb_packets), "Packets");

int	fb_use(int);
int	fb_sum_all(void);

int
fb_use(int ttl)
{
	struct fb_softc *sc;
	int n = 0;

	V_fb_ttl = ttl;
	counter_u64_add(V_fb_packets, 1);
	DPCPU_SET(fb_hits, DPCPU_GET(fb_hits) + 1);
	LIST_FOREACH(sc, &V_fb_list, sc_list) {
		KASSERT(sc == &V_fb_first, ("%s: somebody else's %p", __func__, sc));
		n += sc->sc_unit;
	}
	return (fb_loaded == 1 ? n : -1);
}

/* Of all stacks. */
int
fb_sum_all(void)
{
	VNET_ITERATOR_DECL(vnet_iter);
	int sum = 0;

	VNET_LIST_RLOCK();
	VNET_FOREACH(vnet_iter) {
		CURVNET_SET(vnet_iter);
		sum += V_fb_ttl + (int)counter_u64_fetch(V_fb_packets);
		CURVNET_RESTORE();
	}
	VNET_LIST_RUNLOCK();
	return (sum + 1000 * (int)DPCPU_SUM(fb_hits));
}

static void
vnet_fb_init(const void *unused __unused)
{

	LIST_INIT(&V_fb_list);
	V_fb_first.sc_unit = IS_DEFAULT_VNET(curvnet) ? 1 : 7;
	LIST_INSERT_HEAD(&V_fb_list, &V_fb_first, sc_list);
	V_fb_packets = counter_u64_alloc(M_WAITOK);
}
VNET_SYSINIT(vnet_fb_init, SI_SUB_PROTO_IF, SI_ORDER_ANY, vnet_fb_init, NULL);

static void
vnet_fb_uninit(const void *unused __unused)
{

	LIST_REMOVE(&V_fb_first, sc_list);
	counter_u64_free(V_fb_packets);
}
VNET_SYSUNINIT(vnet_fb_uninit, SI_SUB_PROTO_IF, SI_ORDER_ANY, vnet_fb_uninit, NULL);

static int
fb_modevent(module_t mod __unused, int type, void *data __unused)
{

	switch (type) {
	case MOD_LOAD:
		fb_loaded++;
		return (0);
	case MOD_UNLOAD:
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

static moduledata_t fb_mod = {
	"freebsd",
	fb_modevent,
	NULL
};

DECLARE_MODULE(freebsd, fb_mod, SI_SUB_PSEUDO, SI_ORDER_ANY);
MODULE_VERSION(freebsd, 1);
