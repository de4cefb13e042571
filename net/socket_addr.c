/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets: addresses of both families, as <netinet/in.h> and as lwIP has them. */
#include <errno.h>
#include <string.h>
#include <uvnet/net.h>

#include "socket.h"

int
so_addr_in(int v6, so_addr_t addr, ip_addr_t *ip, uint16_t *port)
{
	memset(ip, 0, sizeof(*ip));
	if (addr.sa->sa_family != (v6 ? AF_INET6 : AF_INET))
		return (-EAFNOSUPPORT);
	if (!v6) {
		ip_addr_set_ip4_u32_val(*ip, addr.sin->sin_addr.s_addr);
		*port = ntohs(addr.sin->sin_port);
		return (0);
	}
	IP_SET_TYPE_VAL(*ip, IPADDR_TYPE_V6);
	memcpy(ip_2_ip6(ip)->addr, &addr.sin6->sin6_addr, sizeof(addr.sin6->sin6_addr));
	if (ip6_addr_has_scope(ip_2_ip6(ip), IP6_UNKNOWN))
		ip6_addr_set_zone(ip_2_ip6(ip), (u8_t)addr.sin6->sin6_scope_id);
	*port = ntohs(addr.sin6->sin6_port);
	return (0);
}

void
so_addr_out(const ip_addr_t *ip, uint16_t port, so_name_t name)
{
	if (!IP_IS_V6(ip)) {
		*name.sin = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		name.sin->sin_addr.s_addr = ip4_addr_get_u32(ip_2_ip4(ip));
		return;
	}
	*name.sin6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	memcpy(&name.sin6->sin6_addr, ip_2_ip6(ip)->addr, sizeof(name.sin6->sin6_addr));
	name.sin6->sin6_scope_id = ip6_addr_zone(ip_2_ip6(ip));
}
