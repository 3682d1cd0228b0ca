/* The firmware's host side as bytes (utils/archive.h): what the running system registered, and the
 * variables. Boot services have ended by then, or have not begun: their tasks are not saved. */
#include "runtime.h"
#include "archive.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define F(member) ARCHIVE_FIELD(struct firmware, member)

static const struct archive_field fields[] = {
    F(systab),      F(sal_systab), F(rsdp),        F(smbios),      F(pcdp),         F(fpswa),
    F(mca),         F(init),       F(boot_rendez), F(mc_params),   F(min_state),    F(pmi_entry),
    F(config_at),   F(restarted),  F(init_count),  F(mc_expected), F(virtual_mode), F(vmap),
    F(time_offset), F(wakeup_set), F(wakeup_time), F(high_count),
};

bool firmware_can_be_saved(struct firmware *fw)
{
    return !fw_boot_time(fw);
}

void firmware_state(struct firmware *fw, struct archive *s)
{
    pthread_mutex_lock(&fw->lock);
    if (s->loading) {
        boot_free(fw->boot);
        fw->boot = NULL;
        memset(fw->touch, 0, sizeof(fw->touch));
    }
    archive_fields(s, fw, fields, COUNT(fields));
    fw->nvmap = (unsigned)archive_number(s, fw->nvmap, FW_MAX_VMAP, "there are too many mappings");
    fw->config_count =
        (unsigned)archive_number(s, fw->config_count, UINT16_MAX, "there are too many tables");
    efi_variables_state(fw, s);
    pthread_mutex_unlock(&fw->lock);
}
