/*
 * singleton.h
 *		CompanyInfo and Preferences: one record a company, outside change data capture, read once a day.
 */
#ifndef QBSYNC_SINGLETON_H
#define QBSYNC_SINGLETON_H

#include "postgres.h"

#include "quickbooks/catalogue.h"
#include "quickbooks/company.h"

typedef void (*SingletonDone) (Company *company, void *arg);

/* Read one, store it, then call done.  Part of a flow; a fault fails it. */
extern void singleton_read(Company *company, const CatalogueEntity *entity, SingletonDone done, void *arg);

/* Read all of them, at once. */
extern void singleton_read_all(Company *company, SingletonDone done, void *arg);

#endif							/* QBSYNC_SINGLETON_H */
