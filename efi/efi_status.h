/* EFI status codes. Private to efi/. */
#ifndef KITTSON_EFI_EFI_STATUS_H
#define KITTSON_EFI_EFI_STATUS_H

#define EFI_ERR(n)            (1ull << 63 | (n))
#define EFI_IS_ERROR(s)       ((s) >> 63 != 0)
#define EFI_SUCCESS           0ull
#define EFI_WARN_DELETE       2ull
#define EFI_LOAD_ERROR        EFI_ERR(1)
#define EFI_INVALID_PARAMETER EFI_ERR(2)
#define EFI_UNSUPPORTED       EFI_ERR(3)
#define EFI_BAD_BUFFER_SIZE   EFI_ERR(4)
#define EFI_BUFFER_TOO_SMALL  EFI_ERR(5)
#define EFI_NOT_READY         EFI_ERR(6)
#define EFI_DEVICE_ERROR      EFI_ERR(7)
#define EFI_WRITE_PROTECTED   EFI_ERR(8)
#define EFI_OUT_OF_RESOURCES  EFI_ERR(9)
#define EFI_VOLUME_CORRUPTED  EFI_ERR(10)
#define EFI_VOLUME_FULL       EFI_ERR(11)
#define EFI_NO_MEDIA          EFI_ERR(12)
#define EFI_MEDIA_CHANGED     EFI_ERR(13)
#define EFI_NOT_FOUND         EFI_ERR(14)
#define EFI_ACCESS_DENIED     EFI_ERR(15)
#define EFI_NO_RESPONSE       EFI_ERR(16)
#define EFI_NO_MAPPING        EFI_ERR(17)
#define EFI_TIMEOUT           EFI_ERR(18)
#define EFI_NOT_STARTED       EFI_ERR(19)
#define EFI_ALREADY_STARTED   EFI_ERR(20)
#define EFI_ABORTED           EFI_ERR(21)
#define EFI_ICMP_ERROR        EFI_ERR(22)
#define EFI_TFTP_ERROR        EFI_ERR(23)
#define EFI_PROTOCOL_ERROR    EFI_ERR(24)

#endif
