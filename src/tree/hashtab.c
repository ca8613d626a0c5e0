/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tree-private.h"

#define BITS_MIN 6
#define BITS_MAX 40
#define HUGE_PAGE ((size_t)2 << 20)
#define LINE_BITS 3 /* of the number of buckets in a cache line */
#define LINE_MASK (((uint64_t)1 << LINE_BITS) - 1)

static size_t buckets_size(unsigned bits)
{
        return sizeof(struct hash_link *) << bits;
}

void hashtab_init(Tree *t, struct hashtab *tab, uint64_t (*hash)(const Tree *, const struct hash_link *))
{
        *tab = (struct hashtab){ .bits = BITS_MIN, .hash = hash };
        tab->buckets = g_malloc0(buckets_size(BITS_MIN));
        t->counts.memory += buckets_size(BITS_MIN);
}

void hashtab_free(struct hashtab *tab)
{
        g_free(tab->buckets);
        tab->buckets = NULL;
}

/* The top bits, those that hash_number distributes well, say which line of buckets; the lowest which of it.
 */
static struct hash_link **bucket(const struct hashtab *tab, uint64_t hash)
{
        size_t line = hash >> (64 - tab->bits + LINE_BITS);
        return &tab->buckets[line << LINE_BITS | (hash & LINE_MASK)];
}

struct hash_link *hashtab_chain(const struct hashtab *tab, uint64_t hash)
{
        return *bucket(tab, hash);
}

static void push(const Tree *t, struct hashtab *tab, struct hash_link *link)
{
        struct hash_link **head = bucket(tab, tab->hash(t, link));
        link->next = *head;
        *head = link;
}

/* Large ones in large pages: they are read and written all over, and page tables for that do not fit any
 * cache. NULL: out of memory. */
static struct hash_link **new_buckets(unsigned bits)
{
        size_t size = buckets_size(bits);
        if (size < HUGE_PAGE)
                return g_try_malloc0(size);
        void *buckets;
        if (posix_memalign(&buckets, HUGE_PAGE, size) != 0)
                return NULL;
        madvise(buckets, size, MADV_HUGEPAGE);
        return memset(buckets, 0, size);
}

/* Without memory for it the chains get longer, that is all. */
static void grow(Tree *t, struct hashtab *tab)
{
        if (tab->bits >= BITS_MAX)
                return;
        struct hashtab bigger = { .n = tab->n, .bits = tab->bits + 1, .hash = tab->hash };
        bigger.buckets = new_buckets(bigger.bits);
        if (!bigger.buckets)
                return;
        for (size_t i = 0; i < (size_t)1 << tab->bits; i++)
                for (struct hash_link *link = tab->buckets[i], *next; link; link = next) {
                        next = link->next;
                        push(t, &bigger, link);
                }
        t->counts.memory += buckets_size(bigger.bits) - buckets_size(tab->bits);
        hashtab_free(tab);
        *tab = bigger;
}

void hashtab_insert(Tree *t, struct hashtab *tab, struct hash_link *link)
{
        if (tab->n >= (size_t)1 << tab->bits)
                grow(t, tab);
        push(t, tab, link);
        tab->n++;
}

void hashtab_remove(Tree *t, struct hashtab *tab, struct hash_link *link)
{
        struct hash_link **at = bucket(tab, tab->hash(t, link));
        while (*at != link)
                at = &(*at)->next;
        *at = link->next;
        tab->n--;
}

void hash_key_init(struct hash_key *key)
{
        if (getentropy(key, sizeof(*key)) < 0)
                *key = (struct hash_key){ { (uint64_t)now_ns(), (uintptr_t)key }, (uint64_t)monotonic_ns() };
        key->multiplier |= 1;
}

/* Multiply-shift (Dietzfelbinger et al.): universal in its top bits. Numbers that follow each other, as they
 * do in an index, share a line of buckets. */
uint64_t hash_number(const struct hash_key *key, uint64_t number)
{
        return ((number >> LINE_BITS) * key->multiplier & ~LINE_MASK) | (number & LINE_MASK);
}

static uint64_t rotate(uint64_t x, unsigned n)
{
        return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[static 4])
{
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[static 4], uint64_t word)
{
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
}

/* SipHash-1-3 (Aumasson, Bernstein) of parent and name. */
uint64_t hash_name(const struct hash_key *key, uint64_t parent, const char *name, size_t length)
{
        uint64_t v[4] = {
                key->sip[0] ^ UINT64_C(0x736f6d6570736575),
                key->sip[1] ^ UINT64_C(0x646f72616e646f6d),
                key->sip[0] ^ UINT64_C(0x6c7967656e657261),
                key->sip[1] ^ UINT64_C(0x7465646279746573),
        };
        uint64_t word, last = (uint64_t)length << 56;
        sip_word(v, parent);
        for (; length >= sizeof(word); name += sizeof(word), length -= sizeof(word)) {
                memcpy(&word, name, sizeof(word));
                sip_word(v, word);
        }
        word = 0;
        memcpy(&word, name, length);
        sip_word(v, last ^ word);
        v[2] ^= 0xff;
        for (int i = 0; i < 3; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}
