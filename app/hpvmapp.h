/* hpvmapp: the process of one running guest. Composes the machine from the guest's configuration,
 * runs it, and serves the commands and the consoles (vmp/app_proto.h). The commands that start and
 * stop it are in vmp/.
 */
#ifndef KITTSON_APP_HPVMAPP_H
#define KITTSON_APP_HPVMAPP_H

/* hpvmapp [--lock N] PATH/uuids/UUID/vmm_config.current. Returns once the guest runs in the
 * background (0), or after one sentence on standard error (1). */
int hpvmapp_main(int argc, char **argv);

#endif
