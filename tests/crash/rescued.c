/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files in lost+found: pieces of tape without a name. */
#include <string.h>

#include "check-private.h"

struct pieces {
        const struct window *window;
        const uint8_t *data;
        size_t size, best; /* of data, how much from its beginning some content has */
};

static void try_content(struct pieces *p, const uint8_t *all, size_t size)
{
        const uint8_t *at = memmem(all, size, p->data, MIN(PIECE, p->size));
        size_t length = 0;
        while (at && length < p->size && at + length < all + size && at[length] == p->data[length])
                length++;
        p->best = MAX(p->best, length);
}

static void find_piece(void *ctx, const char *path)
{
        struct pieces *p = ctx;
        const struct node *states[MODEL_STATES];
        unsigned n = model_states(p->window->model, path, p->window->acked, p->window->last, states);
        for (unsigned i = 0; i < n; i++) {
                gsize size = 0;
                const uint8_t *all =
                        states[i] && states[i]->content ? g_bytes_get_data(states[i]->content, &size) : NULL;
                if (all)
                        try_content(p, all, size);
        }
}

static void find_own_piece(struct pieces *p)
{
        g_autofree uint8_t *own = g_malloc(CHECK_OWN_SIZE);
        for (unsigned i = 1; i <= CHECK_OWN_MAX; i++) {
                check_own_content(own, i);
                try_content(p, own, CHECK_OWN_SIZE);
        }
}

bool check_is_ours(const uint8_t *data, size_t size)
{
        static const char index[] = "<?xml", part[] = "</file>";
        return memmem(data, size, part, sizeof(part) - 1) ||
                (size > 262 && memcmp(data + 257, "ustar", 5) == 0) ||
                (size >= sizeof(index) - 1 && memcmp(data, index, sizeof(index) - 1) == 0);
}

const char *check_rescued(const struct window *w, GBytes *content)
{
        gsize size, at = 0;
        const uint8_t *data = g_bytes_get_data(content, &size);
        while (at < size && !check_is_ours(data, size)) {
                struct pieces p = { w, data + at, size - at, 0 };
                model_foreach(w->model, find_piece, &p);
                if (p.best == 0)
                        find_own_piece(&p);
                if (p.best < MIN(PIECE, size - at))
                        return "it has bytes that nobody wrote";
                at += p.best;
        }
        return NULL;
}
