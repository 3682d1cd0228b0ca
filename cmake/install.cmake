# What `cmake --install` puts where, below the prefix:
#
#   libexec/kittson      kittson, hpvmnetd: processes find each other beside themselves
#   bin                  kittson and the hpvm commands, all links to the one program
#   sbin                 hpvmnetd, a link
#   share/man            the manual pages; sections 1m are in man1, where man looks for them
#   share/bash-completion/completions
#   share/kittson        guest-images/linux: commands for guests; media: scripts for installing them
#   share/metainfo, share/applications
#                        what software centres and file managers want to know
#   lib/systemd/system   the units of dist, with the paths of this installation
#
# Nothing is started, and no state directory is made: the commands make theirs.
include(GNUInstallDirs)
set(KITTSON_PROGRAMS ${CMAKE_INSTALL_LIBEXECDIR}/kittson)
set(KITTSON_COMPLETIONS ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
set(KITTSON_UNITS lib/systemd/system)

# A relative link, so that it holds below DESTDIR and wherever the tree is moved.
function(install_link directory name target)
  file(RELATIVE_PATH path /${directory} /${target})
  install(CODE "
    set(directory \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${directory}\")
    file(MAKE_DIRECTORY \"\${directory}\")
    file(CREATE_LINK \"${path}\" \"\${directory}/${name}\" SYMBOLIC)
    message(STATUS \"Link: \${directory}/${name}\")")
endfunction()

install(TARGETS kittson hpvmnetd RUNTIME DESTINATION ${KITTSON_PROGRAMS})
install_link(${KITTSON_PROGRAMS} hpvmapp ${KITTSON_PROGRAMS}/kittson)
foreach(command kittson hpvm ${KITTSON_HPVM_COMMANDS})
  install_link(${CMAKE_INSTALL_BINDIR} ${command} ${KITTSON_PROGRAMS}/kittson)
endforeach()
install_link(${CMAKE_INSTALL_SBINDIR} hpvmnetd ${KITTSON_PROGRAMS}/hpvmnetd)

foreach(section 1 5 8)
  file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.${section}
       ${CMAKE_SOURCE_DIR}/docs/man/*.${section}m)
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

install(FILES vmp/completion.bash DESTINATION ${KITTSON_COMPLETIONS} RENAME hpvmstatus)
foreach(command ${KITTSON_HPVM_COMMANDS})
  if(NOT command STREQUAL "hpvmstatus")
    install_link(${KITTSON_COMPLETIONS} ${command} ${KITTSON_COMPLETIONS}/hpvmstatus)
  endif()
endforeach()

install(DIRECTORY dist/guest/ DESTINATION ${CMAKE_INSTALL_DATADIR}/kittson/guest-images/linux
        USE_SOURCE_PERMISSIONS)
install(DIRECTORY guests/media DESTINATION ${CMAKE_INSTALL_DATADIR}/kittson
        USE_SOURCE_PERMISSIONS)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES dist/kittson.metainfo.xml DESTINATION ${CMAKE_INSTALL_DATADIR}/metainfo)
install(FILES dist/kittson.desktop DESTINATION ${CMAKE_INSTALL_DATADIR}/applications)

# The units with the paths of this installation, and without the line on copying them by hand.
file(GLOB units CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/dist/*.service ${CMAKE_SOURCE_DIR}/dist/*.socket)
foreach(unit ${units})
  get_filename_component(name ${unit} NAME)
  install(CODE "
    set(to \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${KITTSON_UNITS}/${name}\")
    file(READ \"${unit}\" unit)
    string(REGEX REPLACE \"\\n# Copy [^\\n]*\\n#[^\\n]*\" \"\" unit \"\${unit}\")
    string(REPLACE /opt/hpvm/bin \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\" unit \"\${unit}\")
    file(WRITE \"\${to}\" \"\${unit}\")
    message(STATUS \"Installing: \${to}\")")
endforeach()
