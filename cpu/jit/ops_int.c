/* Native code of integer, compare and move operations. */
#include "translate.h"

/* --- predication --- */

bool jit_guarded(struct jit_tr *t, const struct uop *u, jit_emit_fn *body)
{
    int known = jit_known(t, u->qp);
    uint8_t *skip;

    if (known == 0)
        return true;
    if (known == 1)
        return body(t, u);
    x86_bit_ri(&t->x, X86_BT, JR_PR, u->qp);
    skip = x86_jcc(&t->x, CC_AE);
    body(t, u);
    x86_bind_here(&t->x, skip);
    return true;
}

#define GUARDED(name)                                                                              \
    static bool name(struct jit_tr *t, const struct uop *u)                                        \
    {                                                                                              \
        return jit_guarded(t, u, name##_body);                                                     \
    }

/* --- arithmetic and logic --- */

static void alu(struct jit_tr *t, const struct uop *u, enum x86_alu op, bool commutes)
{
    unsigned d = jit_dst(t, u->r1, RAX);
    unsigned b = jit_src(t, u->r3, RCX);

    if (d == b && commutes) {
        x86_alu_rr(&t->x, op, true, d, jit_src(t, u->r2, RDX));
    } else if (d == b) {
        jit_src_into(t, u->r2, RAX);
        x86_alu_rr(&t->x, op, true, RAX, b);
        d = RAX;
    } else {
        jit_src_into(t, u->r2, d);
        x86_alu_rr(&t->x, op, true, d, b);
    }
    jit_put(t, u->r1, d);
}

#define ALU(name, op, commutes)                                                                    \
    static bool name##_body(struct jit_tr *t, const struct uop *u)                                 \
    {                                                                                              \
        alu(t, u, op, commutes);                                                                   \
        return true;                                                                               \
    }                                                                                              \
    GUARDED(name)

ALU(or, X86_OR, true)
ALU(and, X86_AND, true)
ALU(xor, X86_XOR, true)
ALU(sub, X86_SUB, false)

static bool add_body(struct jit_tr *t, const struct uop *u)
{
    unsigned d = jit_dst(t, u->r1, RAX);

    if (u->r2 == 0 || u->r3 == 0)
        jit_src_into(t, u->r2 == 0 ? u->r3 : u->r2, d);
    else
        x86_lea_index(&t->x, d, jit_src(t, u->r2, RCX), jit_src(t, u->r3, RDX), 0);
    jit_put(t, u->r1, d);
    return true;
}
GUARDED(add)

static bool add_1_body(struct jit_tr *t, const struct uop *u)
{
    x86_lea_index(&t->x, RAX, jit_src(t, u->r2, RCX), jit_src(t, u->r3, RDX), 0);
    x86_alu_ri(&t->x, X86_ADD, true, RAX, 1);
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(add_1)

static bool sub_1_body(struct jit_tr *t, const struct uop *u)
{
    jit_src_into(t, u->r2, RAX);
    x86_alu_rr(&t->x, X86_SUB, true, RAX, jit_src(t, u->r3, RCX));
    x86_alu_ri(&t->x, X86_SUB, true, RAX, 1);
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(sub_1)

static bool andcm_body(struct jit_tr *t, const struct uop *u)
{
    jit_src_into(t, u->r3, RAX);
    x86_not(&t->x, RAX);
    x86_alu_rr(&t->x, X86_AND, true, RAX, jit_src(t, u->r2, RCX));
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(andcm)

static bool adds_body(struct jit_tr *t, const struct uop *u)
{
    unsigned d = jit_dst(t, u->r1, RAX);

    if (u->r3 == 0)
        x86_mov_ri(&t->x, d, (uint64_t)u->imm);
    else if (u->imm == 0)
        jit_src_into(t, u->r3, d);
    else
        x86_lea(&t->x, d, jit_src(t, u->r3, RCX), (int32_t)u->imm);
    jit_put(t, u->r1, d);
    return true;
}
GUARDED(adds)

static bool movl_body(struct jit_tr *t, const struct uop *u)
{
    unsigned d = jit_dst(t, u->r1, RAX);

    x86_mov_ri(&t->x, d, (uint64_t)u->imm);
    jit_put(t, u->r1, d);
    return true;
}
GUARDED(movl)

static bool shladd_body(struct jit_tr *t, const struct uop *u)
{
    unsigned d = jit_dst(t, u->r1, RAX);

    if (u->r3 == 0) {
        jit_src_into(t, u->r2, d);
        x86_shift_ri(&t->x, X86_SHL, true, d, u->pos);
    } else if (u->pos <= 3) {
        x86_lea_index(&t->x, d, jit_src(t, u->r3, RDX), jit_src(t, u->r2, RCX), u->pos);
    } else {
        jit_src_into(t, u->r2, RAX);
        x86_shift_ri(&t->x, X86_SHL, true, RAX, u->pos);
        x86_alu_rr(&t->x, X86_ADD, true, RAX, jit_src(t, u->r3, RCX));
        d = RAX;
    }
    jit_put(t, u->r1, d);
    return true;
}
GUARDED(shladd)

/* r1 = imm8 op r3 */
static void alu_imm(struct jit_tr *t, const struct uop *u, enum x86_alu op)
{
    unsigned d = jit_dst(t, u->r1, RAX);

    jit_src_into(t, u->r3, d);
    x86_alu_ri(&t->x, op, true, d, (int32_t)u->imm);
    jit_put(t, u->r1, d);
}

#define ALU_IMM(name, op)                                                                          \
    static bool name##_body(struct jit_tr *t, const struct uop *u)                                 \
    {                                                                                              \
        alu_imm(t, u, op);                                                                         \
        return true;                                                                               \
    }                                                                                              \
    GUARDED(name)
ALU_IMM(and_i, X86_AND)
ALU_IMM(or_i, X86_OR)
ALU_IMM(xor_i, X86_XOR)

static bool sub_i_body(struct jit_tr *t, const struct uop *u)
{
    x86_mov_ri(&t->x, RAX, (uint64_t)u->imm);
    x86_alu_rr(&t->x, X86_SUB, true, RAX, jit_src(t, u->r3, RCX));
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(sub_i)

static bool andcm_i_body(struct jit_tr *t, const struct uop *u)
{
    jit_src_into(t, u->r3, RAX);
    x86_not(&t->x, RAX);
    x86_alu_ri(&t->x, X86_AND, true, RAX, (int32_t)u->imm);
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(andcm_i)

/* --- shifts and fields --- */

/* Shifts by a register: counts over 63 give 0, or the sign for shr (SDM 3:shl, shr). */
static void shift_var(struct jit_tr *t, const struct uop *u, enum x86_shift op, unsigned value,
                      unsigned count)
{
    jit_src_into(t, value, RAX);
    jit_src_into(t, count, RCX);
    if (op == X86_SAR) {
        x86_mov_ri(&t->x, RDX, 63);
        x86_alu_rr(&t->x, X86_CMP, true, RCX, RDX);
        x86_cmov(&t->x, CC_A, RCX, RDX);
        x86_shift_rcl(&t->x, op, true, RAX);
    } else {
        x86_shift_rcl(&t->x, op, true, RAX);
        x86_mov_ri(&t->x, RDX, 0);
        x86_alu_ri(&t->x, X86_CMP, true, RCX, 63);
        x86_cmov(&t->x, CC_A, RAX, RDX);
    }
    jit_put(t, u->r1, RAX);
}

static bool shl_body(struct jit_tr *t, const struct uop *u)
{
    shift_var(t, u, X86_SHL, u->r2, u->r3);
    return true;
}
GUARDED(shl)

static bool shr_body(struct jit_tr *t, const struct uop *u)
{
    shift_var(t, u, X86_SAR, u->r3, u->r2);
    return true;
}
GUARDED(shr)

static bool shr_u_body(struct jit_tr *t, const struct uop *u)
{
    shift_var(t, u, X86_SHR, u->r3, u->r2);
    return true;
}
GUARDED(shr_u)

static unsigned field_len(const struct uop *u)
{
    return u->pos + u->len > 64 ? 64u - u->pos : u->len;
}

static void shift_if(struct jit_tr *t, enum x86_shift op, unsigned reg, unsigned n)
{
    if (n)
        x86_shift_ri(&t->x, op, true, reg, n);
}

static void extract(struct jit_tr *t, const struct uop *u, enum x86_shift right)
{
    unsigned len = field_len(u), d = jit_dst(t, u->r1, RAX);

    jit_src_into(t, u->r3, d);
    shift_if(t, X86_SHL, d, 64 - u->pos - len);
    shift_if(t, right, d, 64 - len);
    jit_put(t, u->r1, d);
}

static bool extr_body(struct jit_tr *t, const struct uop *u)
{
    extract(t, u, X86_SAR);
    return true;
}
GUARDED(extr)

static bool extr_u_body(struct jit_tr *t, const struct uop *u)
{
    extract(t, u, X86_SHR);
    return true;
}
GUARDED(extr_u)

static bool dep_z_body(struct jit_tr *t, const struct uop *u)
{
    unsigned len = field_len(u), d = jit_dst(t, u->r1, RAX);

    jit_src_into(t, u->r2, d);
    shift_if(t, X86_SHL, d, 64 - len);
    shift_if(t, X86_SHR, d, 64 - len - u->pos);
    jit_put(t, u->r1, d);
    return true;
}
GUARDED(dep_z)

static uint64_t field_mask(const struct uop *u)
{
    unsigned len = field_len(u);

    return (len == 64 ? ~0ull : (1ull << len) - 1) << u->pos;
}

static bool dep_body(struct jit_tr *t, const struct uop *u)
{
    unsigned len = field_len(u);

    jit_src_into(t, u->r2, RAX);
    shift_if(t, X86_SHL, RAX, 64 - len);
    shift_if(t, X86_SHR, RAX, 64 - len - u->pos);
    x86_mov_ri(&t->x, RCX, ~field_mask(u));
    x86_alu_rr(&t->x, X86_AND, true, RCX, jit_src(t, u->r3, RDX));
    x86_alu_rr(&t->x, X86_OR, true, RAX, RCX);
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(dep)

static bool dep_i_body(struct jit_tr *t, const struct uop *u)
{
    uint64_t mask = field_mask(u);

    x86_mov_ri(&t->x, RAX, ~mask);
    x86_alu_rr(&t->x, X86_AND, true, RAX, jit_src(t, u->r3, RDX));
    if (u->imm) {
        x86_mov_ri(&t->x, RCX, mask);
        x86_alu_rr(&t->x, X86_OR, true, RAX, RCX);
    }
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(dep_i)

static bool dep_z_i_body(struct jit_tr *t, const struct uop *u)
{
    unsigned d = jit_dst(t, u->r1, RAX);

    x86_mov_ri(&t->x, d, (uint64_t)u->imm << u->pos & field_mask(u));
    jit_put(t, u->r1, d);
    return true;
}
GUARDED(dep_z_i)

static bool shrp_body(struct jit_tr *t, const struct uop *u)
{
    jit_src_into(t, u->r3, RAX);
    if (u->pos)
        x86_shrd(&t->x, RAX, jit_src(t, u->r2, RCX), u->pos);
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(shrp)

static void extend(struct jit_tr *t, const struct uop *u)
{
    unsigned d = jit_dst(t, u->r1, RAX), s = jit_src(t, u->r3, RCX);

    switch (u->op) {
    case OP_zxt1:
        x86_extend(&t->x, 0xb6, d, s);
        break;
    case OP_zxt2:
        x86_extend(&t->x, 0xb7, d, s);
        break;
    case OP_zxt4:
        x86_alu_rr(&t->x, X86_MOV, false, d, s);
        break;
    case OP_sxt1:
        x86_extend(&t->x, 0xbe, d, s);
        break;
    case OP_sxt2:
        x86_extend(&t->x, 0xbf, d, s);
        break;
    default:
        x86_movsxd(&t->x, d, s);
    }
    jit_put(t, u->r1, d);
}

static bool ext_body(struct jit_tr *t, const struct uop *u)
{
    extend(t, u);
    return true;
}
GUARDED(ext)

/* --- moves --- */

static bool mov_to_br_body(struct jit_tr *t, const struct uop *u)
{
    x86_store(&t->x, JR_CPU, CPU_OFF(br) + u->r1 * 8, jit_src(t, u->r2, RAX));
    return true;
}
GUARDED(mov_to_br)

static bool mov_from_br_body(struct jit_tr *t, const struct uop *u)
{
    unsigned d = jit_dst(t, u->r1, RAX);

    x86_load(&t->x, d, JR_CPU, CPU_OFF(br) + u->r2 * 8);
    jit_put(t, u->r1, d);
    return true;
}
GUARDED(mov_from_br)

/* --- compares --- */

struct relation {
    uint8_t cc;
    uint8_t kind; /* CMP_* */
};
enum { CMP_NONE, CMP_RR, CMP_RR4, CMP_RI, CMP_RI4, CMP_BIT, CMP_FR };

/* The immediate forms compare imm with r3: emitted as r3 with imm, so the order is turned. */
static const struct relation relations[OP_COUNT] = {
    [OP_cmp_eq] = {CC_E, CMP_RR},     [OP_cmp_lt] = {CC_L, CMP_RR},
    [OP_cmp_ltu] = {CC_B, CMP_RR},    [OP_cmp4_eq] = {CC_E, CMP_RR4},
    [OP_cmp4_lt] = {CC_L, CMP_RR4},   [OP_cmp4_ltu] = {CC_B, CMP_RR4},
    [OP_cmp_eq_i] = {CC_E, CMP_RI},   [OP_cmp_lt_i] = {CC_G, CMP_RI},
    [OP_cmp_ltu_i] = {CC_A, CMP_RI},  [OP_cmp4_eq_i] = {CC_E, CMP_RI4},
    [OP_cmp4_lt_i] = {CC_G, CMP_RI4}, [OP_cmp4_ltu_i] = {CC_A, CMP_RI4},
    [OP_tbit_z] = {CC_AE, CMP_BIT},   [OP_tbit_nz] = {CC_B, CMP_BIT},
    [OP_cmp_ne] = {CC_NE, CMP_RR},    [OP_cmp_gt] = {CC_G, CMP_RR},
    [OP_cmp_le] = {CC_LE, CMP_RR},    [OP_cmp_ge] = {CC_GE, CMP_RR},
    [OP_cmp_ne_i] = {CC_NE, CMP_RI},  [OP_cmp4_ne] = {CC_NE, CMP_RR4},
    [OP_cmp4_gt] = {CC_G, CMP_RR4},   [OP_cmp4_le] = {CC_LE, CMP_RR4},
    [OP_cmp4_ge] = {CC_GE, CMP_RR4},  [OP_cmp4_ne_i] = {CC_NE, CMP_RI4},
    [OP_fcmp_eq] = {CC_NE, CMP_FR},   [OP_fcmp_lt] = {CC_A, CMP_FR},
    [OP_fcmp_le] = {CC_AE, CMP_FR},   [OP_fcmp_unord] = {CC_P, CMP_FR},
};

/* f3 with f2: "above" is what one instruction tells that is false for NaNs. */
static void compare_doubles(struct jit_tr *t, const struct uop *u)
{
    const uint8_t *x = t->live.fr.x;

    if (u->op == OP_fcmp_eq) {
        sse_mov(&t->x, 0, x[u->r2]);
        sse_equal(&t->x, 0, x[u->r3]);
        sse_to_gr(&t->x, RCX, 0);
        x86_test_rr(&t->x, false, RCX, RCX);
    } else {
        sse_compare(&t->x, u->op != OP_fcmp_unord, x[u->r3], x[u->r2]);
    }
}

/* Sets the host's flags; uses rcx and rdx. */
static void compare(struct jit_tr *t, const struct uop *u)
{
    unsigned kind = relations[u->op].kind;
    bool wide = kind == CMP_RR || kind == CMP_RI;
    unsigned b;

    if (kind == CMP_FR) {
        compare_doubles(t, u);
        return;
    }
    if (u->r3 == 0 && (kind == CMP_RR || kind == CMP_RR4)) {
        b = jit_src(t, u->r2, RCX);
        x86_test_rr(&t->x, wide, b, b);
        return;
    }
    b = jit_src(t, u->r3, RDX);
    if (kind == CMP_BIT)
        x86_bit_ri(&t->x, X86_BT, b, u->pos);
    else if (kind == CMP_RR || kind == CMP_RR4)
        x86_alu_rr(&t->x, X86_CMP, wide, jit_src(t, u->r2, RCX), b);
    else if (u->imm == 0)
        x86_test_rr(&t->x, wide, b, b);
    else
        x86_alu_ri(&t->x, X86_CMP, wide, b, (int32_t)u->imm);
}

static void set_both_known(struct jit_tr *t, const struct uop *u, bool rel)
{
    jit_set_known(t, u->p1, rel);
    jit_set_known(t, u->p2, !rel);
}

/* Compare and branch in one: on either way out both predicates are known. */
static void fuse_branch(struct jit_tr *t, const struct uop *u, const struct uop *br)
{
    enum x86_cc cc = relations[u->op].cc;
    bool on_p1 = br->qp == u->p1;
    uint64_t known = t->known, val = t->known_val;
    struct jit_live live = t->live;

    compare(t, u);
    set_both_known(t, u, on_p1);
    jit_add_stub(t, STUB_BRANCH, br, x86_jcc(&t->x, on_p1 ? cc : cc ^ 1));
    t->live = live;
    t->known = known;
    t->known_val = val;
    set_both_known(t, u, !on_p1);
}

/* Forgets what was known of a predicate that is written whatever happens. */
static void overwrite(struct jit_tr *t, unsigned p)
{
    t->known &= ~(1ull << p);
    t->live.pending &= ~(1ull << p);
}

static uint64_t predicate_bit(unsigned p)
{
    return p ? 1ull << p : 0;
}

/* Writes both predicates at run time: one bit or the other, chosen by the flags. */
static void write_predicates(struct jit_tr *t, const struct uop *u)
{
    uint64_t yes = predicate_bit(u->p1), no = predicate_bit(u->p2), low = (yes | no) & INT32_MAX;

    x86_mov_ri(&t->x, RAX, yes);
    compare(t, u);
    if (no)
        x86_mov_ri(&t->x, RCX, no);
    else
        x86_mov_ri_keep_flags(&t->x, RCX, no);
    x86_cmov(&t->x, relations[u->op].cc, RCX, RAX);
    if (low)
        x86_alu_ri(&t->x, X86_AND, true, JR_PR, (int32_t)~low);
    if (u->p1 >= 31)
        x86_bit_ri(&t->x, X86_BTR, JR_PR, u->p1);
    if (u->p2 >= 31)
        x86_bit_ri(&t->x, X86_BTR, JR_PR, u->p2);
    x86_alu_rr(&t->x, X86_OR, true, JR_PR, RCX);
    t->live.pr_dirty = true;
}

static void bit_if(struct jit_tr *t, enum x86_bit op, unsigned p)
{
    if (p)
        x86_bit_ri(&t->x, op, JR_PR, p);
}

/* and: clears both if the relation is false; or: sets both, or.andcm: sets and clears, if it is
 * true (SDM 1 table 4-10). */
static void cmp_typed(struct jit_tr *t, const struct uop *u)
{
    enum x86_cc cc = relations[u->op].cc;
    uint8_t *skip;

    compare(t, u);
    skip = x86_jcc(&t->x, u->sub == CT_AND ? cc : cc ^ 1);
    bit_if(t, u->sub == CT_AND ? X86_BTR : X86_BTS, u->p1);
    bit_if(t, u->sub == CT_OR ? X86_BTS : X86_BTR, u->p2);
    x86_bind_here(&t->x, skip);
    t->live.pr_dirty = true;
}

static bool can_fuse(const struct uop *u)
{
    const struct uop *next = u + 1;

    return next->op == OP_br_cond && next->qp && (next->qp == u->p1 || next->qp == u->p2);
}

/* The predicate is true and both targets are written whatever the relation is. */
static void cmp_always(struct jit_tr *t, const struct uop *u)
{
    if (can_fuse(u)) {
        fuse_branch(t, u, u + 1);
        return;
    }
    overwrite(t, u->p1);
    overwrite(t, u->p2);
    write_predicates(t, u);
}

/* The predicate is known only at run time. */
static void cmp_guarded(struct jit_tr *t, const struct uop *u)
{
    uint8_t *skip;

    jit_forget(t, u->p1);
    jit_forget(t, u->p2);
    if (u->sub == CT_UNC) {
        x86_mov_rr(&t->x, RAX, JR_PR);
        bit_if(t, X86_BTR, u->p1);
        bit_if(t, X86_BTR, u->p2);
        t->live.pr_dirty = true;
        x86_bit_ri(&t->x, X86_BT, RAX, u->qp);
    } else {
        x86_bit_ri(&t->x, X86_BT, JR_PR, u->qp);
    }
    skip = x86_jcc(&t->x, CC_AE);
    if (u->sub >= CT_AND)
        cmp_typed(t, u);
    else
        write_predicates(t, u);
    x86_bind_here(&t->x, skip);
}

static bool cmp(struct jit_tr *t, const struct uop *u)
{
    int known = jit_known(t, u->qp);

    if (u->p1 == u->p2)
        return false;
    if (known == 0) {
        if (u->sub == CT_UNC) {
            jit_set_known(t, u->p1, false);
            jit_set_known(t, u->p2, false);
        }
    } else if (known < 0) {
        cmp_guarded(t, u);
    } else if (u->sub >= CT_AND) {
        jit_forget(t, u->p1);
        jit_forget(t, u->p2);
        cmp_typed(t, u);
    } else {
        cmp_always(t, u);
    }
    return true;
}

bool jit_emit_compare(struct jit_tr *t, const struct uop *u)
{
    return cmp(t, u);
}

/* --- predicates and pointers --- */

static bool mov_from_pr_body(struct jit_tr *t, const struct uop *u)
{
    jit_merged_pr(t, RAX);
    jit_rot_pr_out(t);
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(mov_from_pr)

/* Writes many predicates at once: what was known of them is not known any more. */
static bool mov_to_pr(struct jit_tr *t, const struct uop *u)
{
    uint64_t mask = (uint64_t)u->imm & ~1ull;

    if (jit_known(t, u->qp) != 1)
        return false;
    jit_merged_pr(t, RAX);
    jit_rot_pr_out(t);
    x86_mov_ri(&t->x, RCX, ~mask);
    x86_alu_rr(&t->x, X86_AND, true, RAX, RCX);
    x86_mov_ri(&t->x, RCX, mask);
    x86_alu_rr(&t->x, X86_AND, true, RCX, jit_src(t, u->r2, RDX));
    x86_alu_rr(&t->x, X86_OR, true, RAX, RCX);
    jit_rot_set_pr(t);
    t->known = 0;
    t->live.pending = 0;
    t->live.pr_dirty = true;
    return true;
}

static bool mov_to_pr_rot(struct jit_tr *t, const struct uop *u)
{
    if (jit_known(t, u->qp) != 1)
        return false;
    x86_extend(&t->x, 0xb7, RAX, JR_PR);
    x86_mov_ri(&t->x, RCX, (uint64_t)u->imm & ~0xffffull);
    x86_alu_rr(&t->x, X86_OR, true, RAX, RCX);
    jit_rot_set_pr(t);
    t->known &= 0xffff;
    t->live.pending &= 0xffff;
    t->live.pr_dirty = true;
    return true;
}

/* addp4: bits 62:61 from bits 31:30 of the second operand (SDM 3:addp4). */
static bool addp4_body(struct jit_tr *t, const struct uop *u)
{
    unsigned b;

    if (u->op == OP_addp4 && u->r3 == 0) {
        unsigned d = jit_dst(t, u->r1, RAX);

        x86_alu_rr(&t->x, X86_MOV, false, d, jit_src(t, u->r2, RCX));
        jit_put(t, u->r1, d);
        return true;
    }
    b = jit_src(t, u->r3, RDX);
    if (u->op == OP_addp4_i)
        x86_lea(&t->x, RAX, b, (int32_t)u->imm);
    else
        x86_lea_index(&t->x, RAX, jit_src(t, u->r2, RCX), b, 0);
    x86_mov_rr(&t->x, RCX, b);
    x86_alu_rr(&t->x, X86_MOV, false, RAX, RAX);
    x86_shift_ri(&t->x, X86_SHR, true, RCX, 30);
    x86_alu_ri(&t->x, X86_AND, true, RCX, 3);
    x86_shift_ri(&t->x, X86_SHL, true, RCX, 61);
    x86_alu_rr(&t->x, X86_OR, true, RAX, RCX);
    jit_put(t, u->r1, RAX);
    return true;
}
GUARDED(addp4)

/* No register is a NaT: what is tested for is known. */
static bool tnat(struct jit_tr *t, const struct uop *u)
{
    if (u->p1 == u->p2 || jit_known(t, u->qp) != 1 || u->sub >= CT_AND)
        return false;
    set_both_known(t, u, u->op == OP_tnat_z);
    return true;
}

/* For the same reason chk.s never branches. */
static bool chk_s(struct jit_tr *t, const struct uop *u)
{
    (void)t, (void)u;
    return true;
}

jit_emit_fn *const jit_int_emitters[OP_COUNT] = {
    [OP_add] = add,
    [OP_add_1] = add_1,
    [OP_sub] = sub,
    [OP_sub_1] = sub_1,
    [OP_and] = and,
    [OP_andcm] = andcm,
    [OP_or] = or
    ,
    [OP_xor] = xor,
    [OP_shladd] = shladd,
    [OP_sub_i] = sub_i,
    [OP_and_i] = and_i,
    [OP_andcm_i] = andcm_i,
    [OP_or_i] = or_i,
    [OP_xor_i] = xor_i,
    [OP_adds] = adds,
    [OP_addl] = adds,
    [OP_movl] = movl,
    [OP_shl] = shl,
    [OP_shr] = shr,
    [OP_shr_u] = shr_u,
    [OP_extr] = extr,
    [OP_extr_u] = extr_u,
    [OP_dep_z] = dep_z,
    [OP_dep_z_i] = dep_z_i,
    [OP_dep] = dep,
    [OP_dep_i] = dep_i,
    [OP_shrp] = shrp,
    [OP_zxt1] = ext,
    [OP_zxt2] = ext,
    [OP_zxt4] = ext,
    [OP_sxt1] = ext,
    [OP_sxt2] = ext,
    [OP_sxt4] = ext,
    [OP_mov_to_br] = mov_to_br,
    [OP_mov_from_br] = mov_from_br,
    [OP_cmp_eq] = cmp,
    [OP_cmp_lt] = cmp,
    [OP_cmp_ltu] = cmp,
    [OP_cmp4_eq] = cmp,
    [OP_cmp4_lt] = cmp,
    [OP_cmp4_ltu] = cmp,
    [OP_cmp_eq_i] = cmp,
    [OP_cmp_lt_i] = cmp,
    [OP_cmp_ltu_i] = cmp,
    [OP_cmp4_eq_i] = cmp,
    [OP_cmp4_lt_i] = cmp,
    [OP_cmp4_ltu_i] = cmp,
    [OP_chk_s_i] = chk_s,
    [OP_chk_s_m] = chk_s,
    [OP_tnat_z] = tnat,
    [OP_tnat_nz] = tnat,
    [OP_tbit_z] = cmp,
    [OP_tbit_nz] = cmp,
    [OP_cmp_ne] = cmp,
    [OP_cmp_gt] = cmp,
    [OP_cmp_le] = cmp,
    [OP_cmp_ge] = cmp,
    [OP_cmp_ne_i] = cmp,
    [OP_cmp4_ne] = cmp,
    [OP_cmp4_gt] = cmp,
    [OP_cmp4_le] = cmp,
    [OP_cmp4_ge] = cmp,
    [OP_cmp4_ne_i] = cmp,
    [OP_mov_from_pr] = mov_from_pr,
    [OP_mov_to_pr] = mov_to_pr,
    [OP_mov_to_pr_rot] = mov_to_pr_rot,
    [OP_addp4] = addp4,
    [OP_addp4_i] = addp4,
};
