/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time of day (the program is linked so that clock_gettime comes here): a second later whenever somebody
 * asks, and with all digits that a time can have, so that an index is equally long in each run of a seed. */
#include <stdatomic.h>
#include <time.h>

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
        static _Atomic time_t now = 1700000000;
        if (clock != CLOCK_REALTIME)
                return __real_clock_gettime(clock, ts);
        *ts = (struct timespec){ atomic_fetch_add(&now, 1), 123456789 };
        return 0;
}
