/* Scan codes of EFI_SIMPLE_TEXT_INPUT_PROTOCOL (EFI 1.10, table 10-2). Private to efi/. */
#ifndef KITTSON_EFI_KEYS_H
#define KITTSON_EFI_KEYS_H

enum {
    SCAN_UP = 1,
    SCAN_DOWN,
    SCAN_RIGHT,
    SCAN_LEFT,
    SCAN_HOME,
    SCAN_END,
    SCAN_INSERT,
    SCAN_DELETE,
    SCAN_PAGE_UP,
    SCAN_PAGE_DOWN,
    SCAN_F1,
    SCAN_F10 = SCAN_F1 + 9,
    SCAN_F11,
    SCAN_F12,
    SCAN_ESC,
};

#endif
