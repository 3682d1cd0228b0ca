# The demo guest: assembled with the ia64 binutils and embedded in the program.
find_program(IA64_AS ia64-linux-gnu-as)
find_program(IA64_LD ia64-linux-gnu-ld)
if(NOT IA64_AS OR NOT IA64_LD)
  message(FATAL_ERROR "The demo guest needs the IA-64 assembler: install Debian's package "
    "binutils-ia64-linux-gnu (./kit setup does it) and configure again.")
endif()

set(demo_dir ${CMAKE_SOURCE_DIR}/guests/demo)
set(demo_elf ${CMAKE_BINARY_DIR}/guests/demo.elf)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/guests)
add_custom_command(OUTPUT ${demo_elf}
  COMMAND ${CMAKE_C_COMPILER} -E -P -x assembler-with-cpp ${demo_dir}/demo.S -o demo.s
  COMMAND ${IA64_AS} -x demo.s -o demo.o
  COMMAND ${IA64_LD} -z max-page-size=4096 -T ${demo_dir}/demo.lds demo.o -o ${demo_elf}
  DEPENDS ${demo_dir}/demo.S ${demo_dir}/demo.lds
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/guests
  COMMENT "Assembling the demo guest" VERBATIM)
set_source_files_properties(${demo_dir}/embed.S PROPERTIES
  OBJECT_DEPENDS ${demo_elf} COMPILE_DEFINITIONS DEMO_ELF="${demo_elf}")
add_library(kittson_demo STATIC ${demo_dir}/embed.S)
