#!/bin/sh
# hpvmconsole without a real guest: tests/hpvmconsole.py.
exec python3 "${KITTSON_SOURCE:?}/tests/hpvmconsole.py"
