/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workers. As many as there are wait for requests, and another one is started when the last of them has
 * got one. While a file streams only one waits, since only one can borrow the place for the next bytes; the
 * others rest. So a large write is served by one thread without a change of context, and a request that may
 * take longer wakes another one first. */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

#include <reelfs/log.h>

#include "receiver.h"
#include "session-loop.h"

/* Gets workers out of read(2); it does nothing else. */
#define SIGNAL_LEAVE SIGURG
#define LEAVE_PAUSE_NS 1000000

struct worker {
        struct session_loop *loop;
        struct receiver *receiver;
        pthread_t thread;
};

struct session_loop {
        struct frontend *fe;
        sem_t ended; /* posted when the loop is to end; by signals, too */
        pthread_mutex_t lock;
        pthread_cond_t wake; /* for resting workers; the lock guards the rest */
        unsigned reading, resting;
        bool stop;
        int error;
        unsigned n_workers, most;
        struct worker workers[];
};

/* What ends a session. A handler is in place until all is closed, which takes minutes on a drive: a second
 * signal, or one that comes after the unmount, as on the way to a shutdown, must not lose what is not on the
 * tape yet. */
static const int ending_signals[] = { SIGHUP, SIGINT, SIGTERM };
static struct session_loop *ended_by_signals;

static void *worker_main(void *arg);

/* Workers take no signals: the first thread does. */
static int start_thread(struct worker *w)
{
        sigset_t all, before;
        sigfillset(&all);
        sigdelset(&all, SIGNAL_LEAVE);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = -pthread_create(&w->thread, NULL, worker_main, w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r;
}

/* Lock held. */
static int add_worker(struct session_loop *l)
{
        struct worker *w = &l->workers[l->n_workers];
        *w = (struct worker){ .loop = l, .receiver = receiver_new(l->fe) };
        int r = w->receiver ? start_thread(w) : -ENOMEM;
        if (r == 0)
                l->n_workers++;
        else if (w->receiver)
                receiver_free(w->receiver);
        return r;
}

void session_loop_promote(struct session_loop *l)
{
        pthread_mutex_lock(&l->lock);
        bool lacks = l->reading == 0 && !l->stop;
        if (lacks && l->resting > 0)
                pthread_cond_signal(&l->wake);
        else if (lacks && l->n_workers < l->most)
                add_worker(l);
        pthread_mutex_unlock(&l->lock);
}

/* Before a request is waited for. *borrow: nobody else waits. False: the loop ends. */
static bool enter(struct session_loop *l, bool *borrow)
{
        bool streaming = sched_is_streaming(l->fe->sched);
        pthread_mutex_lock(&l->lock);
        if (!streaming && l->resting > 0)
                pthread_cond_broadcast(&l->wake);
        while (streaming && l->reading > 0 && !l->stop) {
                l->resting++;
                pthread_cond_wait(&l->wake, &l->lock);
                l->resting--;
                pthread_mutex_unlock(&l->lock);
                streaming = sched_is_streaming(l->fe->sched);
                pthread_mutex_lock(&l->lock);
        }
        *borrow = l->reading == 0;
        bool goes_on = !l->stop;
        l->reading += goes_on;
        pthread_mutex_unlock(&l->lock);
        return goes_on;
}

static void end_loop(struct session_loop *l, int error)
{
        pthread_mutex_lock(&l->lock);
        if (!l->stop)
                l->error = error;
        l->stop = true;
        pthread_cond_broadcast(&l->wake);
        pthread_mutex_unlock(&l->lock);
        sem_post(&l->ended);
}

static void left_reading(struct session_loop *l)
{
        pthread_mutex_lock(&l->lock);
        l->reading--;
        pthread_mutex_unlock(&l->lock);
}

static void *worker_main(void *arg)
{
        struct worker *w = arg;
        struct session_loop *l = w->loop;
        bool borrow;
        while (enter(l, &borrow)) {
                int r = receiver_receive(w->receiver, borrow);
                left_reading(l);
                if (r == -EINTR || r == -EAGAIN || r == -ENOENT)
                        continue;
                if (r < 0) {
                        end_loop(l, r == -ENODEV ? 0 : r);
                        break;
                }
                if (!receiver_is_quick(w->receiver))
                        session_loop_promote(l);
                receiver_process(w->receiver);
                if (fuse_session_exited(l->fe->session))
                        end_loop(l, 0);
        }
        return NULL;
}

static void leave(int signal)
{
}

static void join_workers(struct session_loop *l)
{
        const struct timespec pause = { .tv_nsec = LEAVE_PAUSE_NS };
        for (unsigned i = 0; i < l->n_workers; i++) {
                struct worker *w = &l->workers[i];
                while (pthread_tryjoin_np(w->thread, NULL) == EBUSY) {
                        pthread_kill(w->thread, SIGNAL_LEAVE);
                        nanosleep(&pause, NULL);
                }
                receiver_free(w->receiver);
        }
}

/* In whichever thread, and whether or not the first one waits already. */
static void end_by_signal(int signal)
{
        sem_post(&ended_by_signals->ended);
}

static void catch_signals(struct session_loop *l)
{
        const struct sigaction end = { .sa_handler = end_by_signal }, ignore = { .sa_handler = SIG_IGN };
        struct sigaction before;
        ended_by_signals = l;
        for (unsigned i = 0; i < G_N_ELEMENTS(ending_signals); i++)
                if (sigaction(ending_signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
                        sigaction(ending_signals[i], &end, NULL);
        sigaction(SIGPIPE, &ignore, NULL);
}

static void release_signals(void)
{
        struct sigaction now;
        for (unsigned i = 0; i < G_N_ELEMENTS(ending_signals); i++)
                if (sigaction(ending_signals[i], NULL, &now) == 0 && now.sa_handler == end_by_signal)
                        signal(ending_signals[i], SIG_DFL);
}

struct session_loop *session_loop_new(struct frontend *fe, unsigned most)
{
        struct session_loop *l = g_malloc0(sizeof(*l) + most * sizeof(l->workers[0]));
        l->fe = fe;
        l->most = most;
        sem_init(&l->ended, 0, 0);
        pthread_mutex_init(&l->lock, NULL);
        pthread_cond_init(&l->wake, NULL);
        catch_signals(l);
        return l;
}

int session_loop_run(struct session_loop *l)
{
        struct sigaction act = { .sa_handler = leave }, before;
        sigaction(SIGNAL_LEAVE, &act, &before);
        pthread_mutex_lock(&l->lock);
        int r = add_worker(l);
        pthread_mutex_unlock(&l->lock);
        while (r == 0 && sem_wait(&l->ended) < 0)
                continue;
        fuse_session_exit(l->fe->session);
        end_loop(l, 0);
        join_workers(l);
        sigaction(SIGNAL_LEAVE, &before, NULL);
        return r ?: l->error;
}

void session_loop_free(struct session_loop *l)
{
        if (!l)
                return;
        release_signals();
        pthread_cond_destroy(&l->wake);
        pthread_mutex_destroy(&l->lock);
        sem_destroy(&l->ended);
        g_free(l);
}
