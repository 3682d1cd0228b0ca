/* DIG64 Primary Console and Debug Port table, revision 3: com1 as the primary console.
 *
 * Layout facts: the DIG64 PCDP 2.0 definitions.
 */
#include "fw.h"

#define PCDP_HEADER 40
#define PCDP_UART   48

#define UART_ACTIVE_LOW (1u << 1)
#define UART_PRIMARY    (1u << 2)
#define UART_IRQ        (1u << 6)

static void put_uart(struct blob *b)
{
    blob_u8(b, 0);  /* console UART */
    blob_u8(b, 8);  /* data bits */
    blob_u8(b, 1);  /* no parity */
    blob_u8(b, 1);  /* stop bits */
    blob_u32(b, 0); /* PCI segment, bus, device, function: not PCI */
    blob_u64(b, 115200);
    blob_u8(b, 0); /* generic address: memory, 8 bits wide, no offset, byte access */
    blob_u8(b, 8);
    blob_u8(b, 0);
    blob_u8(b, 1);
    blob_u64(b, HPVM_UART);
    blob_u32(b, 0); /* PCI device and vendor */
    blob_u32(b, HPVM_UART_GSI);
    blob_u32(b, HPVM_UART_CLOCK);
    blob_u8(b, 0); /* PCI programming interface */
    blob_u8(b, UART_IRQ | UART_PRIMARY | UART_ACTIVE_LOW);
    blob_u16(b, 0); /* index in ConOut */
    blob_u32(b, 0);
}

int pcdp_build(struct firmware *fw, struct blob *b, uint64_t base)
{
    size_t at = b->len;

    fw->pcdp = base + at;
    blob_bytes(b, "PCDP", 4);
    blob_u32(b, PCDP_HEADER + PCDP_UART);
    blob_u8(b, 3);
    blob_u8(b, 0); /* checksum */
    blob_str(b, "KITTSN", 6, ' ');
    blob_str(b, "HPVM", 8, ' ');
    blob_u32(b, 1);
    blob_str(b, "KITT", 4, ' ');
    blob_u32(b, 1);
    blob_u32(b, 1); /* UARTs */
    put_uart(b);
    blob_checksum(b, at, PCDP_HEADER + PCDP_UART, at + 9);
    return 0;
}
