/* hpvminfo: says that this is a host of virtual machines. */
#include "vmp.h"

int vmp_info(int argc, char **argv)
{
    struct vmp_options o;
    int status = vmp_parse(&o, argc, argv, ":VMXv", "", "VMX");
    if (status == 0 && vmp_has(&o, 'v'))
        printf("hpvminfo: " VMP_VERSION "\n");
    if (status == 0 && vmp_has(&o, 'X'))
        printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<hpvminfo>\n"
               "  <environment>host</environment>\n</hpvminfo>\n");
    else if (status == 0 && vmp_has(&o, 'M'))
        printf("host\n");
    else if (status == 0)
        printf("hpvminfo: Running on an HPVM host.\n");
    vmp_options_free(&o);
    return status;
}
