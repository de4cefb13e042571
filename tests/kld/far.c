/* SPDX-License-Identifier: BSD-2-Clause */
/* libkldfar.so: loaded further away than the machine's instructions reach. */
extern int far_value;
int far_value = 2468;

int far_function(void);
int
far_function(void)
{
	return (1357);
}
