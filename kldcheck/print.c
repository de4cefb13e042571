/* SPDX-License-Identifier: BSD-2-Clause */
/* Capstone: see print.h. */
#include <stdio.h>

#include <capstone/capstone.h>

#include "print.h"

static const struct {
	uint16_t machine;
	cs_arch arch;
	int mode;
} machines[] = {
	{ KC_EM_AARCH64, CS_ARCH_ARM64, 0 },
	{ KC_EM_X86_64, CS_ARCH_X86, CS_MODE_64 },
	{ KC_EM_386, CS_ARCH_X86, CS_MODE_32 },
	{ KC_EM_PPC64, CS_ARCH_PPC, CS_MODE_64 },
#if CS_API_MAJOR > 4
	{ KC_EM_RISCV, CS_ARCH_RISCV, CS_MODE_RISCV64 | CS_MODE_RISCVC },
#endif
};

size_t
kc_capstone(const struct kc_elf *e)
{
	static csh handle;
	static uint16_t machine;
	static bool msb;

	if (handle != 0 && machine == e->machine && msb == e->msb)
		return (handle);
	if (handle != 0)
		cs_close(&handle);
	handle = 0;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].machine == e->machine) {
			int mode = machines[i].mode | (e->msb && e->machine != KC_EM_AARCH64 ? (int)CS_MODE_BIG_ENDIAN : 0);

			if (cs_open(machines[i].arch, (cs_mode)mode, &handle) != CS_ERR_OK)
				handle = 0;
			else
				cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
		}
	machine = e->machine;
	msb = e->msb;
	return (handle);
}

void
kc_print(const struct kc_elf *e, const uint8_t *p, size_t n, uint64_t addr, char *buf, size_t size)
{
	csh handle = kc_capstone(e);
	cs_insn *insn;

	if (handle != 0 && cs_disasm(handle, p, n, addr, 1, &insn) == 1) {
		snprintf(buf, size, "%s%s%s", insn->mnemonic, insn->op_str[0] != '\0' ? " " : "", insn->op_str);
		cs_free(insn, 1);
	} else if (n >= 4)
		snprintf(buf, size, ".inst %#010x", (unsigned)kc_u32(e, p));
	else
		snprintf(buf, size, "?");
}
