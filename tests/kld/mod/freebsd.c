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
