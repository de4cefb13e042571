/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack's interfaces on devices of the host (tap.c). */
#ifndef HOST_TAP_H
#define HOST_TAP_H

#include "stack.h"

struct hosttap;

/* if_tap.ko's functions; NULL: not loaded. */
extern const struct tap_kpi *tap;

/* Give the stack, which is current, an interface of one of the kinds that have a device. */
int hosttap_create(struct stack *st, const struct config_interface *ifc, struct uverr *err);
/* The stack is current. */
void hosttap_destroy(struct stack *st, struct hosttap *ht);

/* The host's device that an interface of the stack is on, or NULL. */
const char *hosttap_device(const struct stack *st, const char *ifname);

#endif
