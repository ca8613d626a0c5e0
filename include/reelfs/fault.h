/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The fault injector: a transport in front of any other that makes commands fail, for tests. Which commands,
 * and how, is said by rules in text; man/reelfs-fault.7 is the language. */
#include <reelfs/transport.h>

#define FAULT_ENVIRONMENT "REELFS_FAULT"

/* Puts the rules in front of under, which *ret owns from then on; on failure it stays the caller's. source:
 * where the rules are from, for messages. Rules that say nothing (white space) leave under as it is: *ret is
 * under. -EINVAL, logged: a rule that makes no sense. Wrapping a transport several times adds up; the
 * outermost rules come first. */
int fault_wrap(Transport *under, const char *rules, const char *source, Transport **ret);

/* What has been done so far, by the rule's place in the text, from 1. Not for other transports. */
struct fault_statistics {
        uint64_t seen;  /* commands that were of the rule's kind */
        uint64_t fired; /* those that it struck */
};
/* -ENOENT: there is no such rule. */
int fault_statistics(Transport *t, size_t rule, struct fault_statistics *statistics);
