/*
 * extension_ddl.h
 *		Tells the gateway that its extension is dropped, or updated.
 */
#ifndef QBSYNC_EXTENSION_DDL_H
#define QBSYNC_EXTENSION_DDL_H

#include "postgres.h"

/* From shared_init(): install the object access hook. */
extern void extension_ddl_init(void);

#endif							/* QBSYNC_EXTENSION_DDL_H */
