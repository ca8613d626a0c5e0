/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "mechanics.h"

#define SECOND INT64_C(1000000000)
/* A READ so soon after a LOCATE finds the tape at speed. */
#define STILL_RUNNING (SECOND / 20)

static int64_t ns(double seconds)
{
        return (int64_t)(seconds * SECOND + 0.5);
}

static int64_t ns_for(uint64_t bytes, double rate)
{
        return (int64_t)((double)bytes * SECOND / rate + 0.5);
}

void mechanics_init(struct mechanics *m, const struct serpentine_drive *drive)
{
        *m = (struct mechanics){ .drive = drive };
}

/* Bytes that the tape can go before the buffer is empty (writing) or full (reading). */
static uint64_t work(const struct mechanics *m)
{
        if (m->mode == MECHANICS_WRITING)
                return m->host - m->head;
        if (m->mode == MECHANICS_READING)
                return m->drive->buffer - MIN(m->head - m->host, m->drive->buffer);
        return 0;
}

/* At the end of data there is no more, and nobody was late. */
static bool is_at_end(const struct mechanics *m)
{
        return m->mode == MECHANICS_READING && m->head >= m->end;
}

/* The speed, and how far the tape goes with it: the speeds share the first half of the buffer. */
static double speed(const struct mechanics *m, uint64_t todo, uint64_t *run)
{
        const struct serpentine_drive *d = m->drive;
        unsigned n = 0;
        while (n < SERPENTINE_RATES && d->rates[n] > 0)
                n++;
        uint64_t share = d->buffer / 2 / n, step = MIN((todo - 1) / share, n - 1);
        *run = todo - step * share;
        if (m->mode == MECHANICS_READING && m->head < m->end)
                *run = MIN(*run, m->end - m->head);
        return d->rates[step];
}

static void count_metres(struct mechanics *m, uint64_t bytes)
{
        const struct serpentine_drive *d = m->drive;
        m->motion.metres += (double)bytes * d->length * d->wraps / (double)d->capacity;
}

static void stop(struct mechanics *m)
{
        const struct serpentine_drive *d = m->drive;
        double slowest = d->rates[0] * d->length * d->wraps / (double)d->capacity;
        m->moving = false;
        m->ready = m->now + ns(d->stop);
        m->motion.stops += !is_at_end(m);
        m->motion.metres += slowest * (d->stop + d->start) / 2;
}

static void start(struct mechanics *m, int64_t now)
{
        bool running = m->mode == MECHANICS_READING && m->located && now - m->ready < STILL_RUNNING;
        m->moving = true;
        m->from = MAX(now, m->ready) + (running ? 0 : ns(m->drive->start));
        m->located = false;
}

static void stand(struct mechanics *m, int64_t now)
{
        int64_t hitch = CLAMP(m->ready, m->now, now) - m->now;
        m->motion.hitching_ns += hitch;
        m->motion.standing_ns += now - m->now - hitch;
        m->now = now;
}

/* Streams for bytes or until a time, whichever is first. */
static void stream(struct mechanics *m, uint64_t bytes, int64_t until, double rate)
{
        int64_t done = m->now + ns_for(bytes, rate);
        if (done > until) {
                bytes = MIN(bytes, (uint64_t)((double)(until - m->now) * rate / SECOND));
                done = until;
        }
        *(m->mode == MECHANICS_WRITING ? &m->motion.writing_ns : &m->motion.reading_ns) += done - m->now;
        m->now = done;
        m->head += bytes;
        count_metres(m, bytes);
}

static void speed_up(struct mechanics *m, int64_t until)
{
        int64_t from = CLAMP(m->from, m->now, until);
        m->motion.hitching_ns += from - m->now;
        m->now = from;
}

void mechanics_advance(struct mechanics *m, int64_t now)
{
        while (m->now < now && m->moving) {
                speed_up(m, now);
                uint64_t todo = work(m), run;
                if (m->now == now)
                        return;
                if (todo == 0 || is_at_end(m)) {
                        stop(m);
                        break;
                }
                double rate = speed(m, todo, &run);
                stream(m, run, now, rate);
        }
        if (m->now < now)
                stand(m, now);
}

/* Runs until the tape is at a place; no slower than the buffer asks for. Returns when. */
static int64_t run_to(struct mechanics *m, int64_t now, uint64_t place, bool hurry)
{
        if (m->head >= place)
                return now;
        if (!m->moving)
                start(m, now);
        speed_up(m, INT64_MAX);
        while (m->head < place) {
                uint64_t run;
                double rate = speed(m, MAX(work(m), 1), &run);
                if (hurry) {
                        rate = serpentine_fastest(m->drive);
                        run = place - m->head;
                }
                stream(m, MIN(run, place - m->head), INT64_MAX, rate);
        }
        return m->now;
}

static int64_t command_done(const struct mechanics *m, int64_t now, uint64_t bytes)
{
        return now + ns(m->drive->command + (double)bytes / m->drive->bus);
}

static void start_if_worth(struct mechanics *m)
{
        if (!m->moving && work(m) >= m->drive->buffer / 2 && !is_at_end(m))
                start(m, m->now);
}

/* The tape now stands at a place. */
static int64_t settle(struct mechanics *m, int64_t now, uint64_t place)
{
        m->now = m->ready = now;
        m->head = m->host = place;
        m->moving = m->located = false;
        m->mode = MECHANICS_IDLE;
        return now;
}

static int64_t move_to(struct mechanics *m, int64_t now, uint64_t to)
{
        if (m->head == to)
                return settle(m, now, to);
        int64_t takes = ns(serpentine_locate(m->drive, m->head, to));
        m->motion.locates++;
        m->motion.locating_ns += takes;
        m->motion.metres += serpentine_metres(m->drive, m->head, to);
        settle(m, now + takes, to);
        m->located = true;
        return m->now;
}

int64_t mechanics_flush(struct mechanics *m, int64_t now)
{
        mechanics_advance(m, now);
        if (m->mode != MECHANICS_WRITING || m->head == m->host)
                return now;
        now = run_to(m, now, m->host, true);
        stop(m);
        return now;
}

int64_t mechanics_write(struct mechanics *m, int64_t now, uint64_t from, uint64_t to, uint64_t bytes)
{
        mechanics_advance(m, now);
        if (m->mode != MECHANICS_WRITING || m->host != from)
                now = move_to(m, mechanics_flush(m, now), from);
        m->mode = MECHANICS_WRITING;
        int64_t done = command_done(m, now, bytes), room = now;
        if (to - m->head > m->drive->buffer)
                room = run_to(m, now, to - m->drive->buffer, false);
        done = MAX(done, room);
        mechanics_advance(m, done);
        m->host = to;
        start_if_worth(m);
        return done;
}

int64_t mechanics_read(
        struct mechanics *m, int64_t now, uint64_t from, uint64_t to, uint64_t bytes, uint64_t end)
{
        mechanics_advance(m, now);
        if (m->mode == MECHANICS_WRITING || m->host != from)
                now = move_to(m, mechanics_flush(m, now), from);
        m->mode = MECHANICS_READING;
        m->end = end;
        int64_t done = command_done(m, now, bytes), there = run_to(m, now, to, false);
        done = MAX(done, there);
        mechanics_advance(m, done);
        m->host = to;
        start_if_worth(m);
        return done;
}

/* Reading on is quicker than a locate for what is near. */
static bool reads_on(struct mechanics *m, int64_t now, uint64_t to)
{
        if (m->mode != MECHANICS_READING || to < m->host || to > MAX(m->end, m->head))
                return false;
        if (to > m->head) {
                double way = (double)(to - m->head) / serpentine_fastest(m->drive);
                if (way + (m->moving ? 0 : m->drive->start) > serpentine_locate(m->drive, m->head, to))
                        return false;
                run_to(m, now, to, true);
        }
        m->host = to;
        start_if_worth(m);
        return true;
}

int64_t mechanics_locate(struct mechanics *m, int64_t now, uint64_t to)
{
        now = mechanics_flush(m, now);
        if (m->host == to)
                return now;
        return reads_on(m, now, to) ? m->now : move_to(m, now, to);
}

int64_t mechanics_rewind(struct mechanics *m, int64_t now)
{
        now = mechanics_flush(m, now);
        double metres = serpentine_place(m->drive, m->head).metres;
        int64_t takes = ns(metres / m->drive->rewind_speed);
        m->motion.metres += metres;
        m->motion.rewinding_ns += takes;
        return settle(m, now + takes, 0);
}

int64_t mechanics_load(struct mechanics *m, int64_t now, bool load)
{
        int64_t takes = ns(load ? m->drive->load : m->drive->unload);
        mechanics_advance(m, now);
        m->motion.loading_ns += takes;
        return settle(m, now + takes, 0);
}
