/*
 * connect.h
 *		Jobs that begin and end a grant.
 */
#ifndef QBSYNC_CONNECT_H
#define QBSYNC_CONNECT_H

#include "postgres.h"

#include "quickbooks/company.h"

/* Serve the open connect job: obtain the grant, read CompanyInfo, nothing else. */
extern void connect_start(Company *company);

/* Serve the open disconnect job: revoke the grant, forget the secrets. */
extern void disconnect_start(Company *company);

#endif							/* QBSYNC_CONNECT_H */
