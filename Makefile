# qbsync: PGXS makefile.  "make && make install", then "make installcheck".
EXTENSION    = qbsync
EXTVERSION   = 0.1.0
MODULE_big   = qbsync

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))

# The install script is the pieces of sql/install in load order.
SQL_PIECES   = $(sort $(wildcard sql/install/*.sql))
DATA_built   = $(EXTENSION)--$(EXTVERSION).sql
# Install scripts of released versions, and the scripts that update one to the next: see CONTRIBUTING.md.
DATA         = $(sort $(wildcard sql/released/*.sql sql/upgrade/*.sql))
EXTRA_CLEAN  = tmp_check tmp_check_iso output_iso results test/module/*.o test/module/*.so

PG_CPPFLAGS  = -I$(srcdir)/src -DQBSYNC_VERSION='"$(EXTVERSION)"' $(shell pkg-config --cflags libcurl jansson libcrypto)
PG_CFLAGS    = -std=gnu11 -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
               -Wshadow -Wstrict-prototypes -Wnull-dereference -Wwrite-strings \
               -fvisibility=hidden $(QBSYNC_CFLAGS)
SHLIB_LINK   = $(shell pkg-config --libs libcurl jansson libcrypto) $(QBSYNC_LDFLAGS)

REGRESS      = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --temp-instance=./tmp_check --temp-config=$(srcdir)/test/regress.conf \
               --encoding=UTF8 --no-locale --dbname=contrib_regression
ISOLATION    = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=$(srcdir)/test --temp-instance=./tmp_check_iso \
               --temp-config=$(srcdir)/test/regress.conf --encoding=UTF8 --no-locale
TAP_TESTS    = 1
PROVE_TESTS  = test/t/*.pl

PG_CONFIG   ?= pg_config
PGXS        := $(shell $(PG_CONFIG) --pgxs)
override with_llvm = no
include $(PGXS)

# The folder itself is named for pieces that were removed.
$(EXTENSION)--$(EXTVERSION).sql: $(SQL_PIECES) sql/install
	cat $(SQL_PIECES) > $@

# Every object depends on every header: the tree is small, and a stale object costs more than a rebuild.
$(OBJS): $(wildcard src/*.h src/*/*.h) Makefile
