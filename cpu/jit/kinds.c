/* How the translator treats operations that have no native code of their own. */
#include "jit_impl.h"

bool jit_exit_op(unsigned op)
{
    return op == OP_br_call || op == OP_brl_call || op == OP_br_ret || op == OP_br_cond_b ||
           op == OP_br_call_b;
}

struct op_range {
    uint16_t first, last;
};

/* Operations whose handlers either go on with the next operation or return NULL: they never
 * continue elsewhere by themselves. Ranges in the order of insn_ops.def. */
static const struct op_range callable[] = {
    {OP_add, OP_break_i},
    {OP_mov_to_br, OP_getf_d},
    {OP_invala, OP_ptc_e},
    {OP_fma, OP_fclrf},
};

bool jit_callable(unsigned op)
{
    for (unsigned k = 0; k < sizeof callable / sizeof *callable; k++)
        if (op >= callable[k].first && op <= callable[k].last)
            return true;
    return false;
}
