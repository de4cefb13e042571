/* SPDX-License-Identifier: BSD-2-Clause */
/* frames.ko: stands in the middle of a backtrace, without a frame pointer. */
int frames_call(int (*callback)(void), int n);
int
frames_call(int (*callback)(void), int n)
{
	return (callback() + n);
}
