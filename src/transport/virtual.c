/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "drive.h"

/* What the key file has told the drive to do before command number n. */
static void have_accident(struct drive *d, uint64_t n)
{
        const struct settings *s = &d->settings;
        if (s->power_cut_after > 0 && n >= s->power_cut_after)
                drive_cut_power(d, s->cut_by_objects ? &s->power_cut : NULL, s->power_cut_keep);
        if (s->lose_after > 0 && n == s->lose_after)
                drive_lose(d, &s->loss);
}

/* Without the lock: it may call what takes it. */
static void call_hook(struct drive *d, const struct transport_command *command)
{
        pthread_mutex_lock(&d->lock);
        virtual_hook hook = d->hook;
        void *ctx = d->hook_context;
        uint64_t number = d->statistics.commands + 1;
        pthread_mutex_unlock(&d->lock);
        if (hook)
                hook(ctx, &d->transport, number, command);
}

static int virtual_execute(Transport *t, struct transport_command *command)
{
        struct drive *d = (struct drive *)t;
        int r = -ENODEV;
        call_hook(d, command);
        pthread_mutex_lock(&d->lock);
        d->statistics.commands++;
        d->due_ns = 0;
        have_accident(d, d->statistics.commands);
        if (d->cartridge)
                r = drive_execute(d, command);
        int64_t due = d->due_ns;
        pthread_mutex_unlock(&d->lock);
        drive_time_wait(d, due); /* a reset or a power cut does not wait for a tape that moves */
        return r;
}

static void virtual_limits(Transport *t, struct transport_limits *limits)
{
        const struct drive *d = (const struct drive *)t;
        *limits = (struct transport_limits){ .max_transfer = d->settings.cartridge.max_transfer,
                .alignment = 1 };
}

static char *virtual_describe(Transport *t)
{
        const struct drive *d = (const struct drive *)t;
        const char *barcode = d->settings.cartridge.barcode;
        const struct serpentine_drive *drive = d->settings.drive;
        return g_strdup_printf("virtual drive with cartridge %s%s%s%s in a file%s%s", d->path,
                *barcode ? " (" : "", barcode, *barcode ? ")" : "", drive ? ", as slow as " : "",
                drive ? drive->name : "");
}

static void virtual_close(Transport *t)
{
        struct drive *d = (struct drive *)t;
        cartridge_close(d->cartridge);
        drive_state_clear(&d->state);
        drive_state_clear(&d->loaded_memory);
        drive_state_clear(&d->previous_memory);
        g_byte_array_unref(d->order);
        pthread_mutex_destroy(&d->lock);
        g_free(d->path);
        g_free(d);
}

static const struct transport_ops virtual_ops = {
        .execute = virtual_execute,
        .limits = virtual_limits,
        .describe = virtual_describe,
        .close = virtual_close,
};

int virtual_create(const char *path, const struct virtual_cartridge *cartridge)
{
        autofd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0) {
                int r = -errno;
                return log_error_errno(r, "%s: cannot make a cartridge", path);
        }
        int r = settings_save(path, cartridge);
        if (r < 0)
                unlink(path);
        return r;
}

/* See drive_note_change. */
static bool is_unkept(const char *path, bool read_only, const struct drive_state *state)
{
        if (read_only || !drive_state_names_index(state) || drive_state_can_save(path))
                return false;
        log_warning("%s: write protected, since its key file (%s.cartridge) says what is on it, and no file "
                    "can be written in that directory",
                path, path);
        return true;
}

int virtual_open(const char *path, bool read_only, Transport **ret)
{
        struct settings settings;
        struct drive_state state = { 0 };
        Cartridge *cartridge;
        int r = settings_load(path, &settings);
        if (r == 0)
                r = cartridge_open(path, read_only || settings.cartridge.write_protected, &cartridge);
        if (r < 0)
                return r;
        r = drive_state_load(path, &state); /* under the cartridge's lock */
        if (r < 0) {
                cartridge_close(cartridge);
                return r;
        }
        struct drive *d = g_new0(struct drive, 1);
        d->transport.ops = &virtual_ops;
        pthread_mutex_init(&d->lock, NULL);
        d->path = g_strdup(path);
        d->settings = settings;
        d->order = g_byte_array_new();
        d->state = state;
        d->initiator = settings.initiator;
        d->cartridge = cartridge;
        d->write_protected = !cartridge_is_writable(cartridge) || is_unkept(path, read_only, &state);
        d->synced = d->flushed = cartridge_count(cartridge);
        mechanics_init(&d->mechanics, settings.drive);
        d->opened_ns = monotonic_ns();
        drive_mode_reset(d);
        drive_load(d);
        *ret = &d->transport;
        return 0;
}

void virtual_statistics(Transport *t, struct virtual_statistics *s)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        *s = d->statistics;
        pthread_mutex_unlock(&d->lock);
}

void virtual_motion(Transport *t, struct virtual_motion *m)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        if (d->settings.drive)
                mechanics_advance(&d->mechanics, drive_now(d));
        *m = d->mechanics.motion;
        m->clock_ns = d->mechanics.now;
        pthread_mutex_unlock(&d->lock);
}

void virtual_advance(Transport *t, int64_t ns)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        g_assert(d->settings.virtual_clock && ns >= 0);
        if (d->settings.drive)
                mechanics_advance(&d->mechanics, d->mechanics.now + ns);
        pthread_mutex_unlock(&d->lock);
}

int virtual_power_cut(Transport *t, double keep)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        int r = drive_cut_power(d, NULL, keep);
        pthread_mutex_unlock(&d->lock);
        return r;
}

int virtual_cut(Transport *t, const struct virtual_cut *cut)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        int r = drive_cut_power(d, cut, 0);
        pthread_mutex_unlock(&d->lock);
        return r;
}

int virtual_snapshot(Transport *t, const char *path, const struct virtual_cut *cut)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        int r = drive_snapshot(d, path, cut);
        pthread_mutex_unlock(&d->lock);
        return r;
}

uint64_t virtual_buffered(Transport *t)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        uint64_t n = d->cartridge ? drive_buffered(d) : 0;
        pthread_mutex_unlock(&d->lock);
        return n;
}

void virtual_lose(Transport *t, const struct virtual_loss *loss)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        if (d->cartridge)
                drive_lose(d, loss);
        pthread_mutex_unlock(&d->lock);
}

void virtual_set_hook(Transport *t, virtual_hook hook, void *ctx)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        d->hook = hook;
        d->hook_context = ctx;
        pthread_mutex_unlock(&d->lock);
}

void virtual_reset(Transport *t)
{
        struct drive *d = (struct drive *)t;
        pthread_mutex_lock(&d->lock);
        if (d->cartridge)
                drive_reset(d);
        pthread_mutex_unlock(&d->lock);
}

void virtual_set_initiator(Transport *t, unsigned initiator)
{
        struct drive *d = (struct drive *)t;
        g_assert(initiator >= 1 && initiator <= VIRTUAL_INITIATORS);
        pthread_mutex_lock(&d->lock);
        d->initiator = initiator;
        pthread_mutex_unlock(&d->lock);
}
