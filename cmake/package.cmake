# `cpack` makes a .deb of what cmake/install.cmake installs below /usr, and of what only a package
# has, which cmake/package-files.cmake.in adds: links in /opt/hpvm/bin, /etc/rc.config.d/hpvmconf,
# copyright and change log. dist/debian has the
# scripts that dpkg runs. Dependencies are what dpkg-shlibdeps finds.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME kittson)
set(CPACK_PACKAGE_VENDOR "The Kittson authors")
set(CPACK_PACKAGE_CONTACT "The Kittson authors <maintainers@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "full-system Itanium (IA-64) emulator")
set(CPACK_PACKAGE_DESCRIPTION
    "Processors, memory, PAL, SAL and EFI firmware, disks, discs, networks and a serial console of an
Itanium computer. The commands of HP Integrity Virtual Machines keep guests by name, run each in a
process of its own and connect to their consoles.")
# Absolute paths are below DESTDIR; the units have the paths they will have on the system.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION otherosfs)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "passwd")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "openssh-client, python3")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/dist/debian/conffiles ${CMAKE_SOURCE_DIR}/dist/debian/postinst
    ${CMAKE_SOURCE_DIR}/dist/debian/prerm ${CMAKE_SOURCE_DIR}/dist/debian/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(KITTSON_PACKAGE_SOURCE ${CMAKE_SOURCE_DIR})
set(KITTSON_PACKAGE_COMMANDS hpvm ${KITTSON_HPVM_COMMANDS})
configure_file(${CMAKE_SOURCE_DIR}/cmake/package-files.cmake.in
               ${CMAKE_BINARY_DIR}/package-files.cmake @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_BINARY_DIR}/package-files.cmake)
include(CPack)
