/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TapeAlert flags in words (SSC-5, annex A). */
#include <glib.h>

#include <reelfs/tape.h>

/* Serious: critical in SSC-5, or the data on this tape is at risk. */
static const struct {
        bool serious;
        const char *text;
} alerts[65] = {
        [1] = { false, "it has trouble reading; data is not lost yet, but performance is" },
        [2] = { false, "it has trouble writing; data is not lost yet, but performance is" },
        [3] = { true, "a read or write has failed for good (hard error)" },
        [4] = { true, "the tape is bad: copy off what you need, and use another one" },
        [5] = { true, "the tape is damaged or the drive is faulty: a read failed" },
        [6] = { true, "the tape or the drive is faulty: a write failed" },
        [7] = { true, "the tape has reached the end of its life: copy it to another one" },
        [8] = { false, "the tape is not of data grade" },
        [9] = { true, "a write was tried on a tape that is write protected" },
        [10] = { false, "the tape cannot be ejected: the drive is in use" },
        [11] = { false, "the tape in the drive is a cleaning tape" },
        [12] = { false, "the tape is of a format that the drive does not support" },
        [13] = { true, "the cartridge has a mechanical fault; eject it and use another one" },
        [14] = { true, "the tape has snapped or is stuck; do not try to eject it" },
        [15] = { true, "the memory chip of the cartridge has failed" },
        [16] = { true, "the tape was ejected by force while it was in use" },
        [17] = { false, "the tape is of a format that can only be read in this drive" },
        [18] = { false, "the directory of the tape is damaged; searching will be slow until it is rebuilt" },
        [19] = { false, "the tape nears the end of its life" },
        [20] = { true, "the drive needs cleaning now" },
        [21] = { false, "the drive is due for cleaning" },
        [22] = { true, "the cleaning tape is used up" },
        [23] = { true, "the cleaning tape is of the wrong kind" },
        [24] = { false, "the tape should be wound through once (retensioned)" },
        [25] = { false, "one of the drive's interfaces has failed" },
        [26] = { false, "a fan of the drive has failed" },
        [27] = { false, "the drive's power supply has failed; there is another one" },
        [28] = { false, "the drive takes more power than it should" },
        [29] = { false, "the drive is due for maintenance" },
        [30] = { true, "the drive's hardware has failed; it needs a reset" },
        [31] = { true, "the drive's hardware has failed" },
        [32] = { false, "the drive has trouble with its interface to this computer" },
        [33] = { true, "the tape has to be ejected and loaded again" },
        [34] = { false, "firmware could not be loaded" },
        [35] = { false, "the drive's humidity is outside of its limits" },
        [36] = { false, "the drive's temperature is outside of its limits" },
        [37] = { false, "the drive's supply voltage is outside of its limits" },
        [38] = { true, "the drive expects to fail soon" },
        [39] = { false, "the drive may be faulty: it asks for diagnostics" },
        [49] = { false, "the tape holds less than tapes of its kind" },
        [50] = { false, "statistics of the tape were lost" },
        [51] = { false, "the tape's directory is not valid: it was not written at the last unload" },
        [52] = { true, "the tape's system area could not be written" },
        [53] = { true, "the tape's system area could not be read" },
        [54] = { true, "the start of data cannot be found on the tape" },
        [55] = { true, "the tape could not be loaded" },
        [56] = { true, "the tape could not be unloaded" },
        [57] = { true, "the automation interface has failed" },
        [58] = { false, "the drive's firmware has failed" },
        [59] = { false, "the tape is write-once, and its integrity is in doubt" },
        [60] = { false, "the tape is write-once, and an overwrite was tried" },
};

const char *tape_alert_text(unsigned flag, bool *serious)
{
        bool known = flag < G_N_ELEMENTS(alerts) && alerts[flag].text;
        if (serious)
                *serious = known && alerts[flag].serious;
        return known ? alerts[flag].text : "something that has no name here";
}
