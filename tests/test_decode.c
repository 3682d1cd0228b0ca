/* The instruction table, decoder and disassembler: every row decodes to itself and agrees with its
 * own mnemonic; slots assembled by GNU as decode to the fields written beside them; reserved and
 * ignored encodings behave as the SDM's opcode tables say (SDM vol 3 chapter 4). The comparison
 * with objdump is tests/objdump_compare.sh.
 */
#include "insn_table.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BITS ((1ull << 41) - 1)

/* Slot bits as GNU as (binutils 2.40) encodes text, and what they must decode to. */
struct hand_case {
    const char *text;
    unsigned unit;
    uint64_t slot, lslot;
    struct insn want;
};

/* clang-format off */
static const struct hand_case hand_cases[] = {
    {"(p6) add r14=r20,r127", UNIT_I, 0x10007f28386, 0,
     {.op = OP_add, .qp = 6, .r1 = 14, .r2 = 20, .r3 = 127}},
    {"add r1=r2,r3,1", UNIT_M, 0x10008304040, 0, {.op = OP_add_1, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"sub r1=r2,r3,1", UNIT_I, 0x10020304040, 0, {.op = OP_sub_1, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"shladd r8=r9,4,r10", UNIT_I, 0x10098a12200, 0,
     {.op = OP_shladd, .r1 = 8, .r2 = 9, .r3 = 10, .pos = 4}},
    {"and r8=-128,r10", UNIT_M, 0x11160a00200, 0, {.op = OP_and_i, .r1 = 8, .r3 = 10, .imm = -128}},
    {"sub r8=127,r10", UNIT_M, 0x10128afe200, 0, {.op = OP_sub_i, .r1 = 8, .r3 = 10, .imm = 127}},
    {"adds r8=-8192,r10", UNIT_M, 0x11800a00200, 0,
     {.op = OP_adds, .r1 = 8, .r3 = 10, .imm = -8192}},
    {"addp4 r8=8191,r10", UNIT_I, 0x10df8afe200, 0,
     {.op = OP_addp4_i, .r1 = 8, .r3 = 10, .imm = 8191}},
    {"addl r8=-2097152,r3", UNIT_I, 0x13000300200, 0,
     {.op = OP_addl, .r1 = 8, .r3 = 3, .imm = -2097152}},
    {"cmp.eq.or.andcm p6,p63=r4,r5", UNIT_M, 0x1c3f8508180, 0,
     {.op = OP_cmp_eq, .sub = CT_ORCM, .p1 = 6, .p2 = 63, .r2 = 4, .r3 = 5}},
    {"cmp4.lt.unc p1,p2=r4,r5", UNIT_M, 0x18410509040, 0,
     {.op = OP_cmp4_lt, .sub = CT_UNC, .p1 = 1, .p2 = 2, .r2 = 4, .r3 = 5}},
    {"cmp.ge.and p1,p2=r0,r5", UNIT_M, 0x19210500040, 0,
     {.op = OP_cmp_ge, .sub = CT_AND, .p1 = 1, .p2 = 2, .r3 = 5}},
    {"cmp4.le.or p1,p2=r0,r5", UNIT_I, 0x1b410501040, 0,
     {.op = OP_cmp4_le, .sub = CT_OR, .p1 = 1, .p2 = 2, .r3 = 5}},
    {"cmp.ltu p3,p4=-128,r5", UNIT_I, 0x1b8205000c0, 0,
     {.op = OP_cmp_ltu_i, .p1 = 3, .p2 = 4, .imm = -128, .r3 = 5}},
    {"cmp4.ne.and p3,p4=7,r5", UNIT_I, 0x18e2050f0c0, 0,
     {.op = OP_cmp4_ne_i, .sub = CT_AND, .p1 = 3, .p2 = 4, .imm = 7, .r3 = 5}},
    {"padd2.uus r1=r2,r3", UNIT_I, 0x10618304040, 0,
     {.op = OP_padd2, .sub = 3, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"psub1.sss r1=r2,r3", UNIT_M, 0x10428304040, 0,
     {.op = OP_psub1, .sub = 1, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"pcmp4.gt r1=r2,r3", UNIT_M, 0x11528304040, 0,
     {.op = OP_pcmp4, .sub = 1, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"pavg2.raz r1=r2,r3", UNIT_M, 0x10658304040, 0,
     {.op = OP_pavg2, .sub = 1, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"pshradd2 r1=r2,3,r3", UNIT_I, 0x106d0304040, 0,
     {.op = OP_pshradd2, .r1 = 1, .r2 = 2, .r3 = 3, .pos = 3}},
    {"pmpyshr2.u r1=r2,r3,15", UNIT_I, 0x0e290304040, 0,
     {.op = OP_pmpyshr2, .sub = 1, .r1 = 1, .r2 = 2, .r3 = 3, .pos = 15}},
    {"pmpyshr2 r1=r2,r3,16", UNIT_I, 0x0e2f0304040, 0,
     {.op = OP_pmpyshr2, .r1 = 1, .r2 = 2, .r3 = 3, .pos = 16}},
    {"mix4.l r1=r2,r3", UNIT_I, 0x0f8a0304040, 0, {.op = OP_mix4_l, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"unpack1.h r1=r2,r3", UNIT_I, 0x0e840304040, 0,
     {.op = OP_unpack1_h, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"mux1 r1=r2,@rev", UNIT_I, 0x0eca0b04040, 0, {.op = OP_mux1, .r1 = 1, .r2 = 2, .pos = 11}},
    {"mux2 r1=r2,0x8d", UNIT_I, 0x0eea8d04040, 0, {.op = OP_mux2, .r1 = 1, .r2 = 2, .imm = 0x8d}},
    {"pshr4.u r1=r3,r2", UNIT_I, 0x0f000304040, 0, {.op = OP_pshr4_u, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"pshr2 r1=r3,31", UNIT_I, 0x0e63037c040, 0, {.op = OP_pshr2_i, .r1 = 1, .r3 = 3, .pos = 31}},
    {"pshl4 r1=r2,30", UNIT_I, 0x0fc50104040, 0, {.op = OP_pshl4_i, .r1 = 1, .r2 = 2, .pos = 30}},
    {"shr.u r1=r3,r2", UNIT_I, 0x0f200304040, 0, {.op = OP_shr_u, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"shl r1=r2,r3", UNIT_I, 0x0f240304040, 0, {.op = OP_shl, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"popcnt r1=r3", UNIT_I, 0x0e690300040, 0, {.op = OP_popcnt, .r1 = 1, .r3 = 3}},
    {"clz r1=r3", UNIT_I, 0x0e6d0300040, 0, {.op = OP_clz, .r1 = 1, .r3 = 3}},
    {"mpyshl4 r1=r2,r3", UNIT_I, 0x0f0f0304040, 0, {.op = OP_mpyshl4, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"shrp r1=r2,r3,63", UNIT_I, 0x0adf8304040, 0,
     {.op = OP_shrp, .r1 = 1, .r2 = 2, .r3 = 3, .pos = 63}},
    {"extr r1=r3,5,64", UNIT_I, 0x0a5f8316040, 0,
     {.op = OP_extr, .r1 = 1, .r3 = 3, .pos = 5, .len = 64}},
    {"extr.u r1=r3,63,1", UNIT_I, 0x0a4003fc040, 0,
     {.op = OP_extr_u, .r1 = 1, .r3 = 3, .pos = 63, .len = 1}},
    {"dep.z r1=r2,5,7", UNIT_I, 0x0a633a04040, 0,
     {.op = OP_dep_z, .r1 = 1, .r2 = 2, .pos = 5, .len = 7}},
    {"dep.z r1=-3,60,64", UNIT_I, 0x0b7fc3fa040, 0,
     {.op = OP_dep_z_i, .r1 = 1, .imm = -3, .pos = 60, .len = 64}},
    {"dep r1=-1,r3,2,3", UNIT_I, 0x0be103f4040, 0,
     {.op = OP_dep_i, .r1 = 1, .r3 = 3, .imm = -1, .pos = 2, .len = 3}},
    {"dep r1=r2,r3,61,16", UNIT_I, 0x08178304040, 0,
     {.op = OP_dep, .r1 = 1, .r2 = 2, .r3 = 3, .pos = 61, .len = 16}},
    {"tbit.nz.or p1,p2=r3,33", UNIT_I, 0x0a210385040, 0,
     {.op = OP_tbit_nz, .sub = CT_OR, .p1 = 1, .p2 = 2, .r3 = 3, .pos = 33}},
    {"tnat.z.unc p1,p2=r3", UNIT_I, 0x0a010303040, 0,
     {.op = OP_tnat_z, .sub = CT_UNC, .p1 = 1, .p2 = 2, .r3 = 3}},
    {"tf.nz.and p1,p2=63", UNIT_I, 0x0b0100ff040, 0,
     {.op = OP_tf_nz, .sub = CT_AND, .p1 = 1, .p2 = 2, .pos = 63}},
    {"nop.i 0x1fffff", UNIT_I, 0x0100bffffc0, 0, {.op = OP_nop_i, .imm = 0x1fffff}},
    {"break.i 0x80000", UNIT_I, 0x00002000000, 0, {.op = OP_break_i, .imm = 0x80000}},
    {"chk.s.i r5,.-64", UNIT_I, 0x013fff0bf00, 0, {.op = OP_chk_s_i, .r2 = 5, .imm = -64}},
    {"mov.ret.dptk.imp b7=r5,.+32", UNIT_I, 0x00e02e0a1c0, 0,
     {.op = OP_mov_to_br, .sub = 1, .r1 = 7, .r2 = 5}},
    {"mov r9=b3", UNIT_I, 0x00188006240, 0, {.op = OP_mov_from_br, .r1 = 9, .r2 = 3}},
    {"mov pr=r5,-2", UNIT_I, 0x016ff00bfc0, 0, {.op = OP_mov_to_pr, .r2 = 5, .imm = -2}},
    {"mov pr=r5,0xfe", UNIT_I, 0x0060000bfc0, 0, {.op = OP_mov_to_pr, .r2 = 5, .imm = 0xfe}},
    {"mov pr.rot=0x10000", UNIT_I, 0x00400000040, 0, {.op = OP_mov_to_pr_rot, .imm = 0x10000}},
    {"mov r9=ip", UNIT_I, 0x00180000240, 0, {.op = OP_mov_from_ip, .r1 = 9}},
    {"mov r9=pr", UNIT_I, 0x00198000240, 0, {.op = OP_mov_from_pr, .r1 = 9}},
    {"mov.i ar.lc=r9", UNIT_I, 0x00154112000, 0, {.op = OP_mov_to_ar_i, .r2 = 9, .r3 = 65}},
    {"mov.i ar.ec=-5", UNIT_I, 0x010542f6000, 0, {.op = OP_mov_to_ar_imm_i, .r3 = 66, .imm = -5}},
    {"mov.i r9=ar.pfs", UNIT_I, 0x00194000240, 0, {.op = OP_mov_from_ar_i, .r1 = 9, .r3 = 64}},
    {"sxt4 r1=r3", UNIT_I, 0x000b0300040, 0, {.op = OP_sxt4, .r1 = 1, .r3 = 3}},
    {"czx2.r r1=r3", UNIT_I, 0x000e8300040, 0, {.op = OP_czx2_r, .r1 = 1, .r3 = 3}},
    {"(p63) ld4.c.clr.acq.nta r1=[r3]", UNIT_M, 0x08ab030007f, 0,
     {.op = OP_ld4, .qp = 63, .sub = LD_C_CLR_ACQ, .r1 = 1, .r3 = 3}},
    {"ld8.sa r1=[r3],r2", UNIT_M, 0x093c0304040, 0,
     {.op = OP_ld8, .sub = LD_SA, .inc = INC_REG, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"ld1.bias r1=[r3],-256", UNIT_M, 0x0b400300040, 0,
     {.op = OP_ld1, .sub = LD_BIAS, .inc = INC_IMM, .r1 = 1, .r3 = 3, .imm = -256}},
    {"ld8.fill r1=[r3],255", UNIT_M, 0x0a6c83fe040, 0,
     {.op = OP_ld8_fill, .inc = INC_IMM, .r1 = 1, .r3 = 3, .imm = 255}},
    {"ld16.acq r1,ar.csd=[r3]", UNIT_M, 0x08b08300040, 0,
     {.op = OP_ld16, .sub = LD_ACQ, .r1 = 1, .r3 = 3}},
    {"st2.rel [r3]=r2", UNIT_M, 0x08d40304000, 0, {.op = OP_st2, .sub = 1, .r2 = 2, .r3 = 3}},
    {"st8.spill [r3]=r2,-8", UNIT_M, 0x0bec8305e00, 0,
     {.op = OP_st8_spill, .inc = INC_IMM, .r2 = 2, .r3 = 3, .imm = -8}},
    {"st16 [r3]=r2,ar.csd", UNIT_M, 0x08c08304000, 0, {.op = OP_st16, .r2 = 2, .r3 = 3}},
    {"ldfd.s f9=[r3]", UNIT_M, 0x0c1c0300240, 0, {.op = OP_ldfd, .sub = LD_S, .r1 = 9, .r3 = 3}},
    {"ldf.fill f9=[r3],r2", UNIT_M, 0x0d6c0304240, 0,
     {.op = OP_ldf_fill, .inc = INC_REG, .r1 = 9, .r2 = 2, .r3 = 3}},
    {"ldfps.a f9,f10=[r3],8", UNIT_M, 0x0d288314240, 0,
     {.op = OP_ldfps, .sub = LD_A, .inc = INC_IMM, .r1 = 9, .r2 = 10, .r3 = 3, .imm = 8}},
    {"ldfp8 f9,f10=[r3],16", UNIT_M, 0x0d048314240, 0,
     {.op = OP_ldfp8, .inc = INC_IMM, .r1 = 9, .r2 = 10, .r3 = 3, .imm = 16}},
    {"stfe [r3]=f2,16", UNIT_M, 0x0ec00304400, 0,
     {.op = OP_stfe, .inc = INC_IMM, .r2 = 2, .r3 = 3, .imm = 16}},
    {"lfetch.fault.excl.nt2 [r3],r2", UNIT_M, 0x0dbe0304000, 0,
     {.op = OP_lfetch, .sub = 3, .inc = INC_REG, .r2 = 2, .r3 = 3}},
    {"lfetch.count.nt1 [r3],4,-64", UNIT_M, 0x0cb103be0c0, 0,
     {.op = OP_lfetch, .sub = 4, .r3 = 3, .len = 4, .imm = -64}},
    {"cmpxchg4.rel r1=[r3],r2,ar.ccv", UNIT_M, 0x08188304040, 0,
     {.op = OP_cmpxchg4, .sub = 1, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"cmp8xchg16.acq r1=[r3],r2,ar.csd,ar.ccv", UNIT_M, 0x08808304040, 0,
     {.op = OP_cmp8xchg16, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"xchg2 r1=[r3],r2", UNIT_M, 0x08248304040, 0, {.op = OP_xchg2, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"fetchadd8.rel r1=[r3],-16", UNIT_M, 0x085c8308040, 0,
     {.op = OP_fetchadd8, .sub = 1, .r1 = 1, .r3 = 3, .imm = -16}},
    {"fetchadd4.acq r1=[r3],1", UNIT_M, 0x08488306040, 0,
     {.op = OP_fetchadd4, .r1 = 1, .r3 = 3, .imm = 1}},
    {"setf.exp f9=r2", UNIT_M, 0x0c748004240, 0, {.op = OP_setf_exp, .r1 = 9, .r2 = 2}},
    {"getf.d r1=f2", UNIT_M, 0x087c8004040, 0, {.op = OP_getf_d, .r1 = 1, .r2 = 2}},
    {"chk.s f9,.+0x100", UNIT_M, 0x02600012400, 0, {.op = OP_chk_s_f, .r2 = 9, .imm = 0x100}},
    {"chk.a.clr r9,.-16", UNIT_M, 0x01bffffe240, 0, {.op = OP_chk_a_clr, .r1 = 9, .imm = -16}},
    {"chk.a.nc f9,.+16", UNIT_M, 0x00c00002240, 0, {.op = OP_chk_a_nc_f, .r1 = 9, .imm = 16}},
    {"invala.e f7", UNIT_M, 0x000980001c0, 0, {.op = OP_invala_e_f, .r1 = 7}},
    {"mf.a", UNIT_M, 0x00118000000, 0, {.op = OP_mf_a}},
    {"srlz.i", UNIT_M, 0x00188000000, 0, {.op = OP_srlz_i}},
    {"flushrs", UNIT_M, 0x00060000000, 0, {.op = OP_flushrs}},
    {"loadrs", UNIT_M, 0x00050000000, 0, {.op = OP_loadrs}},
    {"fc.i r3", UNIT_M, 0x03180300000, 0, {.op = OP_fc_i, .r3 = 3}},
    {"mov.m ar.unat=r2", UNIT_M, 0x02152404000, 0, {.op = OP_mov_to_ar_m, .r2 = 2, .r3 = 36}},
    {"mov.m ar.rsc=3", UNIT_M, 0x00141006000, 0, {.op = OP_mov_to_ar_imm_m, .r3 = 16, .imm = 3}},
    {"mov.m r1=ar.bsp", UNIT_M, 0x02111100040, 0, {.op = OP_mov_from_ar_m, .r1 = 1, .r3 = 17}},
    {"mov cr.iva=r2", UNIT_M, 0x02160204000, 0, {.op = OP_mov_to_cr, .r2 = 2, .r3 = 2}},
    {"mov r1=cr.lrr1", UNIT_M, 0x02125100040, 0, {.op = OP_mov_from_cr, .r1 = 1, .r3 = 81}},
    {"alloc r34=ar.pfs,3,5,7,8", UNIT_M, 0x02c0881e880, 0,
     {.op = OP_alloc, .r1 = 34, .len = 15, .pos = 8, .imm = 1}},
    {"mov psr.l=r2", UNIT_M, 0x02168004000, 0, {.op = OP_mov_to_psr_l, .r2 = 2}},
    {"mov r1=psr.um", UNIT_M, 0x02108000040, 0, {.op = OP_mov_from_psr_um, .r1 = 1}},
    {"probe.r r1=r3,r2", UNIT_M, 0x021c0304040, 0, {.op = OP_probe_r, .r1 = 1, .r2 = 2, .r3 = 3}},
    {"probe.w r1=r3,3", UNIT_M, 0x020c8306040, 0, {.op = OP_probe_w_i, .r1 = 1, .r3 = 3, .imm = 3}},
    {"probe.rw.fault r3,2", UNIT_M, 0x02188304000, 0, {.op = OP_probe_rw_fault, .r3 = 3, .imm = 2}},
    {"itr.i itr[r3]=r2", UNIT_M, 0x02078304000, 0, {.op = OP_itr_i, .r2 = 2, .r3 = 3}},
    {"mov pkr[r3]=r2", UNIT_M, 0x02018304000, 0, {.op = OP_mov_to_pkr, .r2 = 2, .r3 = 3}},
    {"mov r1=cpuid[r3]", UNIT_M, 0x020b8300040, 0, {.op = OP_mov_from_cpuid, .r1 = 1, .r3 = 3}},
    {"rsm 0xffffff", UNIT_M, 0x011bfffffc0, 0, {.op = OP_rsm, .imm = 0xffffff}},
    {"tak r1=r3", UNIT_M, 0x020f8300040, 0, {.op = OP_tak, .r1 = 1, .r3 = 3}},
    {"ptc.e r3", UNIT_M, 0x021a0300000, 0, {.op = OP_ptc_e, .r3 = 3}},
    {"hint.m 5", UNIT_M, 0x0000c000140, 0, {.op = OP_hint_m, .imm = 5}},
    {"mov dahr5=0xffff", UNIT_M, 0x0100efff7c0, 0, {.op = OP_mov_dahr, .r3 = 5, .imm = 0xffff}},
    {"mov r1=dahr[r3]", UNIT_M, 0x02100300040, 0, {.op = OP_mov_from_dahr, .r1 = 1, .r3 = 3}},
    {"(p9) br.cond.dpnt.many.clr .-0x1000000", UNIT_B, 0x09e00001009, 0,
     {.op = OP_br_cond, .qp = 9, .imm = -0x1000000}},
    {"br.wexit.sptk.few .+0xfffff0", UNIT_B, 0x081ffffe080, 0,
     {.op = OP_br_wexit, .imm = 0xfffff0}},
    {"br.ctop.sptk.few .+32", UNIT_B, 0x080000041c0, 0, {.op = OP_br_ctop, .imm = 32}},
    {"br.call.sptk.many b5=.+32", UNIT_B, 0x0a000005140, 0, {.op = OP_br_call, .r1 = 5, .imm = 32}},
    {"br.call.dpnt.many b5=b6", UNIT_B, 0x0270000d140, 0, {.op = OP_br_call_b, .r1 = 5, .r2 = 6}},
    {"(p7) br.ret.sptk.many b3", UNIT_B, 0x00108007107, 0, {.op = OP_br_ret, .qp = 7, .r2 = 3}},
    {"br.ia.sptk.few b3", UNIT_B, 0x00100006040, 0, {.op = OP_br_ia, .r2 = 3}},
    {"clrrrb.pr", UNIT_B, 0x00028000000, 0, {.op = OP_clrrrb_pr}},
    {"rfi", UNIT_B, 0x00040000000, 0, {.op = OP_rfi}},
    {"bsw.1", UNIT_B, 0x00068000000, 0, {.op = OP_bsw_1}},
    {"epc", UNIT_B, 0x00080000000, 0, {.op = OP_epc}},
    {"break.b 0x100000", UNIT_B, 0x01000000000, 0, {.op = OP_break_b, .imm = 0x100000}},
    {"nop.b 7", UNIT_B, 0x040000001c0, 0, {.op = OP_nop_b, .imm = 7}},
    {"(p5) fma.s.s3 f9=f10,f11,f12", UNIT_F, 0x11c58a18245, 0,
     {.op = OP_fma, .qp = 5, .sub = PC_S, .sf = 3, .r1 = 9, .r3 = 10, .r4 = 11, .r2 = 12}},
    {"fnma.d.s1 f9=f10,f11,f12", UNIT_F, 0x1a458a18240, 0,
     {.op = OP_fnma, .sub = PC_D, .sf = 1, .r1 = 9, .r3 = 10, .r4 = 11, .r2 = 12}},
    {"fpms.s2 f9=f10,f11,f12", UNIT_F, 0x17858a18240, 0,
     {.op = OP_fpms, .sf = 2, .r1 = 9, .r3 = 10, .r4 = 11, .r2 = 12}},
    {"xma.hu f9=f10,f11,f12", UNIT_F, 0x1d858a18240, 0,
     {.op = OP_xma_hu, .r1 = 9, .r3 = 10, .r4 = 11, .r2 = 12}},
    {"fselect f9=f10,f11,f12", UNIT_F, 0x1c058a18240, 0,
     {.op = OP_fselect, .r1 = 9, .r3 = 10, .r4 = 11, .r2 = 12}},
    {"fcmp.le.unc.s2 p6,p7=f8,f9", UNIT_F, 0x08a38911180, 0,
     {.op = OP_fcmp_le, .sub = CT_UNC, .sf = 2, .p1 = 6, .p2 = 7, .r2 = 8, .r3 = 9}},
    {"fclass.m p6,p7=f8,0x1e7", UNIT_F, 0x0a63f910180, 0,
     {.op = OP_fclass, .p1 = 6, .p2 = 7, .r2 = 8, .imm = 0x1e7}},
    {"frcpa.s1 f9,p6=f10,f11", UNIT_F, 0x00630b14240, 0,
     {.op = OP_frcpa, .sf = 1, .r1 = 9, .p2 = 6, .r2 = 10, .r3 = 11}},
    {"fprsqrta.s0 f9,p6=f11", UNIT_F, 0x03230b00240, 0,
     {.op = OP_fprsqrta, .r1 = 9, .p2 = 6, .r3 = 11}},
    {"famax.s1 f9=f10,f11", UNIT_F, 0x004b8b14240, 0,
     {.op = OP_famax, .sf = 1, .r1 = 9, .r2 = 10, .r3 = 11}},
    {"fpcmp.nle.s3 f9=f10,f11", UNIT_F, 0x02db0b14240, 0,
     {.op = OP_fpcmp_nle, .sf = 3, .r1 = 9, .r2 = 10, .r3 = 11}},
    {"fmerge.se f9=f10,f11", UNIT_F, 0x00090b14240, 0,
     {.op = OP_fmerge_se, .r1 = 9, .r2 = 10, .r3 = 11}},
    {"fcvt.fxu.trunc.s2 f9=f10", UNIT_F, 0x008d8014240, 0,
     {.op = OP_fcvt_fxu_trunc, .sf = 2, .r1 = 9, .r2 = 10}},
    {"fcvt.xf f9=f10", UNIT_F, 0x000e0014240, 0, {.op = OP_fcvt_xf, .r1 = 9, .r2 = 10}},
    {"fsetc.s1 0x3f,0x40", UNIT_F, 0x0042407e000, 0,
     {.op = OP_fsetc, .sf = 1, .pos = 0x3f, .len = 0x40}},
    {"fclrf.s3", UNIT_F, 0x00c28000000, 0, {.op = OP_fclrf, .sf = 3}},
    {"fchkf.s2 .+0x40", UNIT_F, 0x00840000100, 0, {.op = OP_fchkf, .sf = 2, .imm = 0x40}},
    {"hint.f 3", UNIT_F, 0x0000c0000c0, 0, {.op = OP_hint_f, .imm = 3}},
    {"movl r9=0x8123456789abcdef", UNIT_X, 0x0dcdaede240, 0x0048d159e26,
     {.op = OP_movl, .r1 = 9, .imm = (int64_t)0x8123456789abcdefull}},
    {"break.x 0x3fffffffffffffff", UNIT_X, 0x01003ffffc0, 0x1ffffffffff,
     {.op = OP_break_x, .imm = 0x3fffffffffffffff}},
    {"nop.x 0x200001", UNIT_X, 0x00008000040, 0x00000000001, {.op = OP_nop_x, .imm = 0x200001}},
    {"brl.cond.dptk.few .-0x7000000000000000", UNIT_X, 0x19400000000, 0x04000000000,
     {.op = OP_brl_cond, .imm = -0x7000000000000000}},
    {"brl.call.sptk.many b2=.+0x7ffffffffffffff0", UNIT_X, 0x1a1fffff080, 0x1fffffffffc,
     {.op = OP_brl_call, .r1 = 2, .imm = 0x7ffffffffffffff0}},
};
/* clang-format on */

static uint64_t random64(void)
{
    static uint64_t x = 0x9e3779b97f4a7c15ull;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static unsigned decode_unit(const struct insn_row *r)
{
    return r->unit == UNIT_A ? UNIT_M : r->unit;
}

START_TEST(hand_made)
{
    for (size_t i = 0; i < sizeof hand_cases / sizeof hand_cases[0]; i++) {
        const struct hand_case *h = &hand_cases[i];
        const struct insn *w = &h->want;
        struct insn in;
        insn_decode(h->unit, h->slot, h->lslot, &in);
        ck_assert_msg(in.op == w->op, "%s: op %s", h->text, insn_op_name(in.op));
        ck_assert_msg(in.imm == w->imm, "%s: imm %llx", h->text, (unsigned long long)in.imm);
        ck_assert_msg(in.qp == w->qp && in.p1 == w->p1 && in.p2 == w->p2, "%s: qp %u p1 %u p2 %u",
                      h->text, in.qp, in.p1, in.p2);
        ck_assert_msg(in.r1 == w->r1 && in.r2 == w->r2 && in.r3 == w->r3 && in.r4 == w->r4,
                      "%s: r1 %u r2 %u r3 %u r4 %u", h->text, in.r1, in.r2, in.r3, in.r4);
        ck_assert_msg(in.sub == w->sub && in.sf == w->sf && in.inc == w->inc,
                      "%s: sub %u sf %u inc %u", h->text, in.sub, in.sf, in.inc);
        ck_assert_msg(in.pos == w->pos && in.len == w->len, "%s: pos %u len %u", h->text, in.pos,
                      in.len);
    }
}
END_TEST

/* A slot the row is chosen for: its fixed bits with random others, since an earlier, more special
 * row may take some of its encodings. */
static bool find_slot_of_row(size_t row, uint64_t *slot, struct insn *in)
{
    const struct insn_row *r = &insn_rows[row];
    for (int tries = 0; tries < 100000; tries++) {
        *slot = (random64() & SLOT_BITS & ~r->mask) | r->match;
        insn_decode(decode_unit(r), *slot, random64() & SLOT_BITS, in);
        if (in->row == row)
            return true;
    }
    return false;
}

START_TEST(every_row_decodes)
{
    for (size_t i = 1; i < insn_row_count; i++) {
        const struct insn_row *r = &insn_rows[i];
        uint64_t slot;
        struct insn in;
        ck_assert_msg((r->match & ~r->mask) == 0, "row %zu %s: value outside its fields", i,
                      r->name);
        ck_assert_msg(r->mask >> 37 != 0, "row %zu %s: no opcode", i, r->name);
        ck_assert_msg(find_slot_of_row(i, &slot, &in), "row %zu %s is never chosen", i, r->name);
        ck_assert_uint_eq(in.op, r->op);
        ck_assert_uint_eq(in.sub, r->sub);
        ck_assert_uint_eq(in.inc, r->inc);
        ck_assert_uint_eq(in.qp, r->flags & IF_NOQP ? 0 : slot & 63);
    }
}
END_TEST

/* A rows are valid in both units and mean the same. */
START_TEST(a_rows_in_both_units)
{
    unsigned differ = 0;
    for (int i = 0; i < 200000; i++) {
        uint64_t slot = (random64() & SLOT_BITS) | 1ull << 40;
        struct insn m, n;
        insn_decode(UNIT_M, slot, 0, &m);
        insn_decode(UNIT_I, slot, 0, &n);
        differ += memcmp(&m, &n, sizeof m) != 0;
    }
    ck_assert_uint_eq(differ, 0);
}
END_TEST

START_TEST(every_op_has_a_row)
{
    bool seen[OP_COUNT] = {false};
    for (size_t i = 0; i < insn_row_count; i++)
        seen[insn_rows[i].op] = true;
    for (unsigned op = 0; op < OP_COUNT; op++)
        ck_assert_msg(seen[op], "%s has no row", insn_op_name(op));
    ck_assert_str_eq(insn_op_name(OP_COUNT), "?");
}
END_TEST

static bool has(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static unsigned ctype_of(const char *name)
{
    if (has(name, ".or.andcm"))
        return CT_ORCM;
    if (has(name, ".or"))
        return CT_OR;
    if (has(name, ".and"))
        return CT_AND;
    return has(name, ".unc") ? CT_UNC : CT_NONE;
}

static unsigned ldtype_of(const char *name)
{
    static const struct {
        const char *part;
        unsigned type;
    } types[] = {{".c.clr.acq", LD_C_CLR_ACQ},
                 {".c.clr", LD_C_CLR},
                 {".c.nc", LD_C_NC},
                 {".bias", LD_BIAS},
                 {".acq", LD_ACQ},
                 {".sa", LD_SA},
                 {".s$", LD_S},
                 {".a$", LD_A}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (has(name, types[i].part))
            return types[i].type;
    return LD_NONE;
}

static bool starts(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* What the mnemonic says sub must be, or the row's own value where it says nothing. */
static unsigned sub_of(const struct insn_row *r)
{
    const char *n = r->name;
    if (starts(n, "cmp.") || starts(n, "cmp4.") || starts(n, "tbit") || starts(n, "tnat") ||
        starts(n, "tf.") || starts(n, "fcmp") || starts(n, "fclass"))
        return ctype_of(n);
    if (starts(n, "ld"))
        return ldtype_of(n);
    if (starts(n, "st") || starts(n, "cmpxchg") || starts(n, "cmp8xchg") || starts(n, "fetchadd"))
        return has(n, ".rel");
    if (starts(n, "lfetch"))
        return (unsigned)(has(n, ".excl") | has(n, ".fault") << 1 | has(n, ".count") << 2);
    if (starts(n, "fma") || starts(n, "fms") || starts(n, "fnma"))
        return has(n, ".s$") ? PC_S : has(n, ".d$") ? PC_D : PC_NONE;
    return r->sub;
}

/* The update that the operands of a memory row show: "[r3],r2" or "[r3]=r2,imm". */
static unsigned inc_of(const struct insn_row *r)
{
    const char *after = strchr(r->operands, ']');
    if (!(r->flags & IF_MEM) || !after || has(r->operands, "ccv") || starts(r->name, "xchg") ||
        starts(r->name, "fetchadd") || has(r->name, ".count"))
        return r->inc;
    if (starts(after, "]="))
        after = strchr(after, ',');
    else
        after++;
    if (!after || !*after || starts(after, ",ar."))
        return INC_NONE;
    return after[1] == 'r' ? INC_REG : INC_IMM;
}

START_TEST(rows_agree_with_their_mnemonics)
{
    for (size_t i = 1; i < insn_row_count; i++) {
        const struct insn_row *r = &insn_rows[i];
        const char *op = insn_op_name(r->op);
        size_t len = strcspn(r->name, ".$");
        if (r->op == OP_illegal || r->op == OP_reserved0 || starts(r->name, "ignored"))
            continue;
        ck_assert_msg(strncmp(op, r->name, len) == 0 && (op[len] == 0 || op[len] == '_'),
                      "row %zu: %s is %s", i, r->name, op);
        ck_assert_msg(r->sub == sub_of(r), "row %zu: %s has sub %u", i, r->name, r->sub);
        ck_assert_msg(r->inc == inc_of(r), "row %zu: %s %s has inc %u", i, r->name, r->operands,
                      r->inc);
    }
}
END_TEST

/* One check at the end of each loop: a check is a write to Check's pipe. */
START_TEST(values_stay_in_range)
{
    uint64_t bad = 0;
    for (int i = 0; i < 2000000 && !bad; i++) {
        unsigned unit = (unsigned)(random64() % (UNIT_NONE + 1));
        uint64_t slot = random64() & SLOT_BITS;
        struct insn in;
        insn_decode(unit, slot, random64() & SLOT_BITS, &in);
        bool good = in.op < OP_COUNT && in.row < insn_row_count && in.qp < 64 && in.p1 < 64 &&
                    in.p2 < 64 && in.r1 < 128 && in.r2 < 128 && in.r3 < 128 && in.r4 < 128 &&
                    in.sf < 4 && in.pos < 128 && in.len < 128 && in.inc <= INC_IMM;
        if (!good)
            bad = slot | 1ull << 63;
    }
    ck_assert_msg(bad == 0, "slot %llx", (unsigned long long)bad);
}
END_TEST

/* Ignored fields must not matter: every bit that is in no fixed field, operand, completer or
 * predicate may change without changing the result (SDM 3:4.1). */
START_TEST(ignored_bits_are_ignored)
{
    static const struct {
        unsigned unit;
        uint64_t slot, ignored;
    } cases[] = {
        {UNIT_M, 0x10000000000, 1ull << 36},                           /* add */
        {UNIT_M, 0x08000000000, 0x7full << 13},                        /* ld1, M1 */
        {UNIT_M, 0x00180000000, 1ull << 36 | 0x1fffffull << 6},        /* srlz.d */
        {UNIT_I, 0x00198000000, 1ull << 36 | 0x3fffull << 13},         /* mov r=pr */
        {UNIT_B, 0x00010000000, 0xfull << 33 | 0x1fffffull << 6 | 63}, /* cover */
        {UNIT_F, 0x000e0000000, 7ull << 34 | 0x7full << 20},           /* fcvt.xf */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct insn a, b;
        insn_decode(cases[i].unit, cases[i].slot, 0, &a);
        ck_assert(a.op != OP_illegal && a.op != OP_reserved0);
        for (uint64_t bit = 1; bit < 1ull << 41; bit <<= 1) {
            if (!(cases[i].ignored & bit))
                continue;
            insn_decode(cases[i].unit, cases[i].slot ^ bit, 0, &b);
            ck_assert_mem_eq(&a, &b, sizeof a);
        }
    }
}
END_TEST

#define OPCODE(n) ((uint64_t)(n) << 37)
#define X6_AT(n)  ((uint64_t)(n) << 27)

START_TEST(reserved_encodings)
{
    static const struct {
        unsigned unit;
        uint64_t slot;
        unsigned op;
    } cases[] = {
        {UNIT_I, OPCODE(1), OP_illegal},
        {UNIT_I, OPCODE(15), OP_illegal},
        {UNIT_M, OPCODE(2), OP_illegal},
        {UNIT_M, OPCODE(4) | 1ull << 36 | 1ull << 27, OP_illegal}, /* m=1 x=1 */
        {UNIT_M, OPCODE(4) | 0x18ull << 30, OP_illegal},
        {UNIT_M, OPCODE(0) | 1ull << 33, OP_illegal}, /* x3=1 */
        {UNIT_F, OPCODE(2), OP_illegal},
        {UNIT_F, OPCODE(14) | 1ull << 36 | 1ull << 34, OP_illegal},                /* xma x2=1 */
        {UNIT_I, OPCODE(7) | 0xcaull << 28 | 3ull << 34 | 1ull << 20, OP_illegal}, /* mux1 1 */
        {UNIT_M, OPCODE(8) | 1ull << 34 | 1ull << 33 | 4ull << 29 | 3ull << 27, OP_illegal},
        {UNIT_X, OPCODE(6) | 1ull << 20, OP_illegal}, /* movl vc=1 */
        {UNIT_X, OPCODE(12) | 1ull << 6, OP_illegal}, /* brl btype 1 */
        {UNIT_X, OPCODE(5), OP_illegal},
        {UNIT_B, OPCODE(0) | X6_AT(1), OP_nop_b}, /* ignored */
        {UNIT_B, OPCODE(0) | X6_AT(3), OP_illegal},
        {UNIT_B, OPCODE(0) | X6_AT(0x1f), OP_illegal},
        {UNIT_B, OPCODE(0) | X6_AT(0x20) | 2ull << 6, OP_reserved0},
        {UNIT_B, OPCODE(0) | X6_AT(0x21) | 0ull << 6, OP_reserved0},
        {UNIT_B, OPCODE(0) | X6_AT(0x22), OP_reserved0},
        {UNIT_B, OPCODE(2) | X6_AT(2), OP_nop_b},
        {UNIT_B, OPCODE(2) | X6_AT(0x3f), OP_nop_b},
        {UNIT_B, OPCODE(3), OP_nop_b},
        {UNIT_B, OPCODE(6), OP_nop_b},
        {UNIT_B, OPCODE(7), OP_brp},
        {UNIT_B, OPCODE(4) | 1ull << 6, OP_reserved0},
        {UNIT_B, OPCODE(4) | 4ull << 6, OP_reserved0},
        {UNIT_B, OPCODE(8), OP_reserved0},
        {UNIT_B, OPCODE(15), OP_reserved0},
        {UNIT_B, OPCODE(1) | 2ull << 32, OP_br_call_b}, /* unassigned hint: still the call */
        {UNIT_M, OPCODE(4) | 2ull << 28, OP_ld1},       /* hint 2 */
        {UNIT_I, OPCODE(0) | 7ull << 33 | 3ull << 20, OP_mov_to_br},
        {UNIT_NONE, OPCODE(8), OP_illegal},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct insn in;
        insn_decode(cases[i].unit, cases[i].slot | 5, 0, &in);
        ck_assert_msg(in.op == cases[i].op, "case %zu: %s", i, insn_op_name(in.op));
        ck_assert_msg(in.op != OP_illegal || in.qp == 5, "case %zu: qp %u", i, in.qp);
        ck_assert_msg(in.op != OP_reserved0 || in.qp == 0, "case %zu: qp %u", i, in.qp);
    }
}
END_TEST

START_TEST(unpacking)
{
    uint64_t slot[3] = {0x123456789abull & SLOT_BITS, 0x1edcba98765ull, 0x0f0f0f0f0f1ull};
    uint64_t lo = 0x1d | slot[0] << 5 | slot[1] << 46, hi = slot[1] >> 18 | slot[2] << 23;
    struct insn_bundle b = insn_unpack(lo, hi);
    ck_assert_uint_eq(b.tmpl, 0x1d);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(b.slot[i], slot[i]);
}
END_TEST

/* SDM 3:4.1: template names with a bar where a stop is. */
START_TEST(templates)
{
    static const char *const want[32] = {
        "MII",   "MII|", "MI|I", "MI|I|", "MX",   "MX|", NULL,   NULL,   "MMI",  "MMI|", "M|MI",
        "M|MI|", "MFI",  "MFI|", "MMF",   "MMF|", "MIB", "MIB|", "MBB",  "MBB|", NULL,   NULL,
        "BBB",   "BBB|", "MMB",  "MMB|",  NULL,   NULL,  "MFB",  "MFB|", NULL,   NULL};
    static const char letter[] = {
        [UNIT_I] = 'I', [UNIT_M] = 'M', [UNIT_F] = 'F', [UNIT_B] = 'B', [UNIT_X] = 'X'};
    for (int t = 0; t < 32; t++) {
        const struct insn_template *p = &insn_templates[t];
        char name[8] = "";
        size_t n = 0;
        ck_assert_int_eq(p->valid, want[t] != NULL);
        for (int s = 0; p->valid && s < 3; s++) {
            if (p->unit[s] != UNIT_NONE)
                name[n++] = letter[p->unit[s]];
            if (p->stop[s])
                name[n++] = '|';
        }
        if (p->valid)
            ck_assert_str_eq(name, want[t]);
    }
}
END_TEST

START_TEST(disassembly)
{
    static const struct {
        unsigned unit;
        uint64_t slot, lslot;
        const char *text;
    } cases[] = {
        {UNIT_M, 0x10800100380, 0, "mov r14=r1"},
        {UNIT_I, OPCODE(0) | X6_AT(1), 0, "nop.i 0x0"},
        {UNIT_I, OPCODE(1), 0, "data8 0x2000000000"},
        {UNIT_B, OPCODE(4) | 2ull << 13, 0, "br.few 0x1020"},
        {UNIT_B, OPCODE(4) | 2ull << 13 | 9, 0, "(p09) br.cond.sptk.few 0x1020"},
        {UNIT_B, OPCODE(4) | 1ull << 36 | 0xfffffull << 13 | 9, 0, "(p09) br.cond.sptk.few 0xff0"},
        {UNIT_F, OPCODE(8) | 1ull << 27 | 2ull << 20 | 3ull << 13 | 4ull << 6, 0,
         "fadd.s0 f4=f2,f3"},
        {UNIT_M, OPCODE(1) | X6_AT(0x2c) | 8ull << 20 | 3ull << 13, 0, "mov cr.pta=r3"},
        {UNIT_M, OPCODE(1) | X6_AT(0x2a) | 45ull << 20 | 3ull << 13, 0, "mov.m ar.ruc=r3"},
        {UNIT_M, OPCODE(1) | X6_AT(0x2a) | 50ull << 20 | 3ull << 13, 0, "mov.m ar50=r3"},
        {UNIT_X, 0x0dcdaede240, 0x0048d159e26, "movl r9=0x8123456789abcdef"},
    };
    char buf[64], small[8];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        insn_disasm(buf, sizeof buf, cases[i].unit, cases[i].slot, cases[i].lslot, 0x1000);
        ck_assert_str_eq(buf, cases[i].text);
        insn_disasm(small, sizeof small, cases[i].unit, cases[i].slot, cases[i].lslot, 0x1000);
        ck_assert(strlen(small) < sizeof small && starts(cases[i].text, small));
    }
    small[0] = 'x';
    ck_assert_ptr_eq(insn_disasm(small, 0, UNIT_M, 0, 0, 0), small);
    ck_assert_int_eq(small[0], 'x');
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        hand_made,
        every_row_decodes,
        a_rows_in_both_units,
        every_op_has_a_row,
        rows_agree_with_their_mnemonics,
        values_stay_in_range,
        ignored_bits_are_ignored,
        reserved_encodings,
        unpacking,
        templates,
        disassembly,
    };
    Suite *s = suite_create("decode");
    TCase *tc = tcase_create("decode");
    tcase_set_timeout(tc, 120);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
