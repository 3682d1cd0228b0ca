"""Makes a small EFI program for ia64: it prints a text on the console and returns EFI_SUCCESS."""
import struct

# The program, as the assembler makes it:
#     alloc r34=ar.pfs,2,3,2,0; mov r35=b0; adds r14=64,r33 ;;   system table's ConOut
#     ld8 r37=[r14]; mov r36=gp; mov r38=gp ;;                   the text is where gp points to
#     adds r15=8,r37 ;; ld8 r15=[r15] ;;                         OutputString
#     ld8 r16=[r15],8 ;; ld8 gp=[r15]; mov b6=r16 ;;
#     br.call.sptk.many b0=b6 ;;
#     mov gp=r36; mov b0=r35; mov ar.pfs=r34 ;;
#     mov r8=r0; br.ret.sptk.many b0
CODE = bytes.fromhex("01101d0a80053002006200c0010c0184" "0128011c18104002040042c004080084"
                     "0b78204a0021f0003c30200000000400" "0b80201e181410003c3020c000090007"
                     "11000000010000000002000068008010" "0108004800210018058003002002aa00"
                     "11400000002100000002008008008400")
# One that hangs with its timer's interrupt pending and untaken:
#     rsm psr.i ;; mov r14=0x40 ;; mov cr.itv=r14 ;; mov r15=ar.itc ;; adds r15=1000,r15 ;;
#     mov cr.itm=r15 ;; srlz.d ;; 1: br.sptk 1b
HANG = bytes.fromhex("0b0000020700e00002004800000004000b0038902c04f000b044080000000400"
                     "0b78a01f07210078045808000000040001000000300000000002000000000400"
                     "11000000010000000002000000000040")
PE, OPTIONAL, SECTIONS = 0x80, 0x98, 0x188  # where the headers are
BASE, TEXT, DATA, RELOC = 0x10000, 0x1000, 0x2000, 0x3000


def section(name, rva, size, raw):
    return struct.pack("<8sIIIIIIHHI", name, size, rva, 0x200, raw, 0, 0, 0, 0, 0xe0000020)


def program(text, code=CODE):
    """The bytes of a program that prints this, of up to 200 characters; or of other code."""
    entry = struct.pack("<QQ", BASE + TEXT, BASE + DATA + 16)  # at the start of the data
    string = (text + "\r\n\0").encode("utf-16-le")
    fixups = struct.pack("<IIHH", DATA, 12, 10 << 12, 10 << 12 | 8)
    optional = struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20b, 0, 0, 0x200, 0x400, 0, DATA,
                           TEXT, BASE, 0x1000, 0x200, 0, 0, 0, 0, 0, 0, 0, 0x4000, 0x400, 0, 10, 0,
                           0, 0, 0, 0, 0, 16)
    directories = bytes(40) + struct.pack("<II", RELOC, len(fixups)) + bytes(80)
    head = (b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", PE)).ljust(PE, b"\0")
    head += struct.pack("<4sHHIIIHH", b"PE\0\0", 0x200, 3, 0, 0, 0, 0xf0, 0x20e)
    head += optional + directories
    assert len(head) == SECTIONS
    head += (section(b".text", TEXT, len(code), 0x400) +
             section(b".data", DATA, 16 + len(string), 0x600) +
             section(b".reloc", RELOC, len(fixups), 0x800))
    return (head.ljust(0x400, b"\0") + code.ljust(0x200, b"\0") +
            (entry + string).ljust(0x200, b"\0") + fixups.ljust(0x200, b"\0"))


def patched(image, at, form, *values):
    """A copy with a field of the headers replaced."""
    out = bytearray(image)
    struct.pack_into(form, out, at, *values)
    return bytes(out)
