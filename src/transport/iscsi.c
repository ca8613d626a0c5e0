/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A drive behind iSCSI. One command at a time, moved by poll(2) on the thread that asks; data goes between
 * the socket and the caller's iovecs without a copy.
 *
 * A session that is lost is made anew, by hand, by the next command; libiscsi must not do so itself, since it
 * would send the command again. The new session has the ISID of the old one: RFC 7143, 6.3.5, the target then
 * ends what is left of the old session, its commands included, before it answers the login, so that no WRITE
 * of the past can arrive late. Whoever asks next is told 6/29/07, I_T nexus loss occurred, in the way of a
 * drive: SAM-5, 6.3.4, the target should say so, but not every one does. */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "iscsi.h"

#define MAX_TRANSFER (4u << 20)
#define LOGIN_S 10     /* for one try */
#define RECONNECT_S 45 /* for all tries after a lost session */
#define SILENCE_S 5    /* a NOP-OUT is sent so often while a command runs */
#define SILENCES 6     /* NOPs without an answer: the session is dead */
#define SECOND_NS INT64_C(1000000000)

struct iscsi {
        Transport transport;
        struct iscsi_address address;
        char *text; /* portal/target/lun, for messages */
        char *initiator;
        uint32_t isid;
        struct iscsi_context *session; /* NULL: none */
        bool renewed;                  /* there was one before, and nobody has been told yet */
        bool given_up;                 /* the last attempt to reconnect failed */
        struct iovec *iov;             /* libiscsi changes its vector while it moves the data */
        int iov_size;
};

struct wait {
        bool done;
        int status;
};

static void on_done(struct iscsi_context *session, int status, void *data, void *ctx)
{
        struct wait *w = ctx;
        w->done = true;
        w->status = status;
}

static void drop(struct iscsi *t)
{
        if (t->session)
                iscsi_destroy_context(g_steal_pointer(&t->session));
}

/* What waits to be sent is sent as far as the socket takes it. libiscsi's bursts are 256 KiB long, so the
 * socket nearly always has room for one, and nobody need ask poll(2) first. False: the session is lost. */
static bool send_waiting(struct iscsi_context *session)
{
        if (!iscsi_is_logged_in(session) || !(iscsi_which_events(session) & POLLOUT))
                return true;
        return iscsi_service(session, POLLOUT) == 0;
}

/* What can be done within milliseconds. False: the session is lost. */
static bool serve(struct iscsi_context *session, int milliseconds)
{
        if (!send_waiting(session))
                return false;
        struct pollfd p = { .fd = iscsi_get_fd(session), .events = (short)iscsi_which_events(session) };
        if (p.fd < 0)
                return false;
        int n = poll(&p, 1, milliseconds);
        if (n < 0 && errno != EINTR)
                return false;
        return iscsi_service(session, n > 0 ? p.revents : 0) == 0;
}

/* -ETIMEDOUT; -ECONNRESET: the session is lost. */
static int await(struct iscsi_context *session, struct wait *w, unsigned seconds, bool nops)
{
        int64_t start = monotonic_ns(), asked = start;
        while (!w->done) {
                int64_t now = monotonic_ns();
                if (now - start >= seconds * SECOND_NS)
                        return -ETIMEDOUT;
                if (nops && now - asked >= SILENCE_S * SECOND_NS) {
                        asked = now;
                        if (iscsi_get_nops_in_flight(session) >= SILENCES ||
                                iscsi_nop_out_async(session, NULL, NULL, 0, NULL) < 0)
                                return -ECONNRESET;
                }
                if (!serve(session, 500) && !w->done)
                        return -ECONNRESET;
        }
        return 0;
}

/* libiscsi writes data to its socket by writev(2): of one that the other end has closed, that raises SIGPIPE.
 * It is kept from the thread as long as libiscsi is at work, and taken back. */
static void hold_sigpipe(sigset_t *former)
{
        sigset_t sigpipe;
        sigemptyset(&sigpipe);
        sigaddset(&sigpipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &sigpipe, former);
}

static void release_sigpipe(const sigset_t *former)
{
        if (sigismember(former, SIGPIPE))
                return;
        sigset_t sigpipe;
        sigemptyset(&sigpipe);
        sigaddset(&sigpipe, SIGPIPE);
        sigtimedwait(&sigpipe, NULL, &(struct timespec){ 0 });
        pthread_sigmask(SIG_SETMASK, former, NULL);
}

/* ---- Sessions */

/* As the kernel's initiator calls itself, so that one entry in a target's access list does for both. */
static char *initiator_name(void)
{
        g_autofree char *text = NULL;
        if (g_file_get_contents("/etc/iscsi/initiatorname.iscsi", &text, NULL, NULL)) {
                g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
                for (char **line = lines; *line; line++)
                        if (g_str_has_prefix(*line, "InitiatorName="))
                                return g_strdup(g_strstrip(*line + strlen("InitiatorName=")));
        }
        return g_strdup_printf("iqn.2026-11.net.reelfs:%s", g_get_host_name());
}

static struct iscsi_context *new_context(const struct iscsi *t)
{
        const struct iscsi_address *a = &t->address;
        struct iscsi_context *session = iscsi_create_context(t->initiator);
        if (!session)
                return NULL;
        iscsi_set_noautoreconnect(session, 1);
        iscsi_set_isid_random(session, t->isid, 0);
        iscsi_set_targetname(session, a->target);
        iscsi_set_session_type(session, ISCSI_SESSION_NORMAL);
        iscsi_set_header_digest(session, ISCSI_HEADER_DIGEST_NONE_CRC32C);
        iscsi_set_immediate_data(session, ISCSI_IMMEDIATE_DATA_YES);
        iscsi_set_initial_r2t(session, ISCSI_INITIAL_R2T_NO);
        if (a->user)
                iscsi_set_initiator_username_pwd(session, a->user, a->secret);
        return session;
}

/* Logged in, without a TEST UNIT READY: unit attentions are for those who ask next. *why: the caller frees.
 */
static int log_in(struct iscsi *t, char **why)
{
        struct iscsi_context *session = new_context(t);
        struct wait connected = { 0 }, logged_in = { 0 };
        if (!session)
                return -ENOMEM;
        int r = iscsi_connect_async(session, t->address.portal, on_done, &connected);
        if (r == 0)
                r = await(session, &connected, LOGIN_S, false);
        if (r == 0 && connected.status == SCSI_STATUS_GOOD) {
                r = iscsi_login_async(session, on_done, &logged_in);
                if (r == 0)
                        r = await(session, &logged_in, LOGIN_S, false);
        }
        if (r == 0 && logged_in.done && logged_in.status == SCSI_STATUS_GOOD) {
                t->session = session;
                return 0;
        }
        const char *text = iscsi_get_error(session);
        if (r == -ETIMEDOUT)
                text = "no answer";
        else if (connected.done && connected.status != SCSI_STATUS_GOOD)
                text = "nothing listens there, or the host is not reachable";
        *why = g_strdelimit(g_strstrip(g_strdup(text && text[0] ? text : "no answer")), "\n", ' ');
        iscsi_destroy_context(session);
        return r == -ETIMEDOUT ? r : -ECONNREFUSED;
}

static void pause_ms(unsigned ms)
{
        struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
        nanosleep(&pause, NULL);
}

/* For a while; only once more if that was in vain before. */
static int reconnect(struct iscsi *t)
{
        int64_t start = monotonic_ns();
        for (unsigned ms = 100;; ms = MIN(2 * ms, 2000)) {
                g_autofree char *why = NULL;
                if (log_in(t, &why) == 0) {
                        t->renewed = true;
                        t->given_up = false;
                        return 0;
                }
                log_debug("%s: %s", t->text, why ? why : "no memory");
                if (t->given_up || monotonic_ns() - start >= RECONNECT_S * SECOND_NS) {
                        t->given_up = true;
                        return -ENODEV;
                }
                pause_ms(ms);
        }
}

/* A session, perhaps a new one: the old one may have ended while nobody looked. */
static int ready(struct iscsi *t)
{
        if (t->session && !serve(t->session, 0))
                drop(t);
        return t->session ? 0 : reconnect(t);
}

/* SPC-5, 4.4.3, fixed format */
static void tell_renewed(struct iscsi *t, struct transport_command *c)
{
        t->renewed = false;
        memset(c->sense, 0, 18);
        c->sense[0] = 0x70;
        c->sense[2] = 0x06;
        c->sense[7] = 10;
        c->sense[12] = 0x29;
        c->sense[13] = 0x07;
        c->sense_length = 18;
        c->status = TRANSPORT_STATUS_CHECK_CONDITION;
        c->residual = iov_length(c->iov, c->iovcnt);
}

/* ---- Commands */

static int copy_vector(struct iscsi *t, const struct transport_command *c)
{
        if (c->iovcnt > t->iov_size) {
                struct iovec *iov = g_try_renew(struct iovec, t->iov, c->iovcnt);
                if (!iov)
                        return -ENOMEM;
                t->iov = iov;
                t->iov_size = c->iovcnt;
        }
        if (c->iovcnt > 0)
                memcpy(t->iov, c->iov, (size_t)c->iovcnt * sizeof(*c->iov));
        return 0;
}

/* libiscsi's own vector is that of POSIX, by its header. */
_Static_assert(sizeof(struct scsi_iovec) == sizeof(struct iovec) &&
                offsetof(struct scsi_iovec, iov_len) == offsetof(struct iovec, iov_len),
        "struct scsi_iovec");

static struct scsi_task *new_task(struct iscsi *t, struct transport_command *c)
{
        static const int directions[] = { [TRANSPORT_NONE] = SCSI_XFER_NONE,
                [TRANSPORT_IN] = SCSI_XFER_READ,
                [TRANSPORT_OUT] = SCSI_XFER_WRITE };
        size_t bytes = c->direction == TRANSPORT_NONE ? 0 : iov_length(c->iov, c->iovcnt);
        enum transport_direction direction = bytes ? c->direction : TRANSPORT_NONE;
        struct scsi_task *task =
                scsi_create_task((int)c->cdb_length, c->cdb, directions[direction], (int)bytes);
        if (task && direction == TRANSPORT_IN)
                scsi_task_set_iov_in(task, (struct scsi_iovec *)t->iov, c->iovcnt);
        else if (task && direction == TRANSPORT_OUT)
                scsi_task_set_iov_out(task, (struct scsi_iovec *)t->iov, c->iovcnt);
        return task;
}

/* RFC 7143, 11.4.7: the sense data comes behind its length, two bytes. */
static void take_sense(const struct scsi_task *task, struct transport_command *c)
{
        const uint8_t *data = task->datain.data;
        if (!data || task->datain.size < 2)
                return;
        size_t length = MIN((size_t)(data[0] << 8 | data[1]), (size_t)task->datain.size - 2);
        c->sense_length = MIN(length, sizeof(c->sense));
        memcpy(c->sense, data + 2, c->sense_length);
}

static int take_answer(const struct scsi_task *task, int status, struct transport_command *c)
{
        if (status < 0 || status > UINT8_MAX)
                return -ECONNRESET;
        c->status = (uint8_t)status;
        if (status == SCSI_STATUS_CHECK_CONDITION)
                take_sense(task, c);
        if (task->residual_status == SCSI_RESIDUAL_UNDERFLOW)
                c->residual = MIN(task->residual, iov_length(c->iov, c->iovcnt));
        return 0;
}

static int run_command(struct iscsi *t, struct transport_command *c)
{
        struct wait w = { 0 };
        int r = ready(t);
        if (r < 0)
                return r;
        if (t->renewed) {
                tell_renewed(t, c);
                return 0;
        }
        r = copy_vector(t, c);
        if (r < 0)
                return r;
        struct scsi_task *task = new_task(t, c);
        if (!task)
                return -ENOMEM;
        r = iscsi_scsi_command_async(t->session, t->address.lun, task, on_done, NULL, &w);
        r = r == 0 ? await(t->session, &w, c->timeout_s, true) : -ECONNRESET;
        if (r == 0)
                r = take_answer(task, w.status, c);
        if (r < 0) {
                log_debug("%s: %s", t->text, iscsi_get_error(t->session));
                drop(t); /* with all that is under way; on_done is called for it */
        }
        scsi_free_scsi_task(task);
        return r;
}

static int execute(Transport *transport, struct transport_command *c)
{
        sigset_t former;
        hold_sigpipe(&former);
        int r = run_command((struct iscsi *)transport, c);
        release_sigpipe(&former);
        return r;
}

static void limits(Transport *transport, struct transport_limits *limits)
{
        *limits = (struct transport_limits){ .max_transfer = MAX_TRANSFER, .alignment = 1, .outlives = true };
}

static char *describe(Transport *transport)
{
        const struct iscsi *t = (const struct iscsi *)transport;
        return g_strdup_printf("iSCSI in user space%s, no copy of the data", t->address.user ? ", CHAP" : "");
}

static void close_transport(Transport *transport)
{
        struct iscsi *t = (struct iscsi *)transport;
        struct wait w = { 0 };
        sigset_t former;
        hold_sigpipe(&former);
        if (t->session && iscsi_logout_async(t->session, on_done, &w) == 0)
                await(t->session, &w, LOGIN_S, false);
        drop(t);
        release_sigpipe(&former);
        iscsi_address_clear(&t->address);
        g_free(t->text);
        g_free(t->initiator);
        g_free(t->iov);
        g_free(t);
}

static const struct transport_ops ops = {
        .execute = execute,
        .limits = limits,
        .describe = describe,
        .close = close_transport,
};

int iscsi_open(const char *address, Transport **ret)
{
        struct iscsi_address parsed;
        g_autofree char *why = NULL;
        int r = iscsi_address_parse(address, &parsed);
        if (r < 0)
                return r;
        struct iscsi *t = g_new0(struct iscsi, 1);
        t->transport.ops = &ops;
        t->address = parsed;
        t->text = g_strdup_printf("%s/%s/%d", parsed.portal, parsed.target, parsed.lun);
        t->initiator = initiator_name();
        t->isid = g_random_int();
        sigset_t former;
        hold_sigpipe(&former);
        r = log_in(t, &why);
        release_sigpipe(&former);
        if (r < 0) {
                log_message(LOG_ERR, 0, "%s: no iSCSI session: %s", t->text, why ? why : "no memory");
                close_transport(&t->transport);
                return r;
        }
        *ret = &t->transport;
        return 0;
}
