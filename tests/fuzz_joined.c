/* Fuzz target: joined segments from the host's network stack (vswitch/joined.h). The first bytes of
 * the input are the description, the rest is the frame. */
#include "fuzz.h"
#include "joined.h"
#include "vswitch.h"

static void take(void *opaque, const uint8_t *frame, size_t len)
{
    static volatile uint8_t sink;

    if (len > *(size_t *)opaque)
        abort();
    for (size_t i = 0; i < len; i++)
        sink ^= frame[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct virtio_net_hdr h;

    if (size < sizeof h)
        return 0;
    memcpy(&h, data, sizeof h);
    size_t len = size - sizeof h, most = len > VSWITCH_FRAME_MAX ? len : VSWITCH_FRAME_MAX;
    uint8_t *frame = malloc(len > 0 ? len : 1);

    if (frame == NULL)
        return 0;
    memcpy(frame, data + sizeof h, len);
    joined_split(&h, frame, len, take, &most);
    free(frame);
    return 0;
}
