/*
 * fault_rules.h
 *		The table of what to do about which refusal; see fault_rules.c.  For fault.c only.
 */
#ifndef QBSYNC_FAULT_RULES_H
#define QBSYNC_FAULT_RULES_H

#include "postgres.h"

#include "quickbooks/fault.h"

/* What a rule goes by. */
typedef enum FaultRuleKey
{
	BY_CODE,					/* Intuit's code in first … last, and word (if any) in the message or detail */
	BY_TYPE,					/* the fault's type contains word */
	BY_STATUS,					/* HTTP status in first … last */
	BY_OAUTH,					/* the token host's error is word */
	BY_OAUTH_STATUS,			/* HTTP status of the token host in first … last */
	BY_NETWORK					/* no answer: first is 0, or 1 for one that is too big */
} FaultRuleKey;

typedef struct FaultRule
{
	FaultRuleKey key;
	int			first;
	int			last;
	const char *word;			/* lower case, or NULL */
	FaultReaction reaction;
	const char *problem;		/* code of qbsync.problem */
	int			wait_seconds;	/* suggested wait, -1: none */
} FaultRule;

/* The rule that fits, or NULL. */
extern const FaultRule *fault_rule_for_code(int code, const char *message, const char *detail);
extern const FaultRule *fault_rule_for_type(const char *type);
extern const FaultRule *fault_rule_for_oauth(const char *error);

/* The rule that fits; there always is one. */
extern const FaultRule *fault_rule_for_status(int status);
extern const FaultRule *fault_rule_for_oauth_status(int status);
extern const FaultRule *fault_rule_for_network(bool too_big);

#endif							/* QBSYNC_FAULT_RULES_H */
