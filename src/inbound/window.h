/*
 * window.h
 *		Catching up by windows of time, when an answer of change data capture was truncated.
 */
#ifndef QBSYNC_WINDOW_H
#define QBSYNC_WINDOW_H

#include "postgres.h"

#include "quickbooks/company.h"

/* Read everything that changed since the cursor by queries; then the cursor moves past the truncated answer. */
extern void window_start(Company *company);

#endif							/* QBSYNC_WINDOW_H */
