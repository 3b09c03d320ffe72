// SPDX-License-Identifier: Apache-2.0
#include "api/streams_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/api.h"

int streams_start(const struct api_config *config, struct streams **out)
{
    struct streams *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->desk, NULL);
    pthread_cond_init(&s->idle, NULL);
    const struct hub_config hub = {.store = config->store, .max_streams = config->max_streams};
    if (store_reader_open(config->store, &s->reader) || hub_open(&hub, &s->hub)) {
        streams_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

void streams_end(struct streams *s)
{
    s->ending = true;
    hub_end(s->hub);
}

void streams_free(struct streams *s)
{
    if (!s)
        return;
    s->ending = true;
    pthread_mutex_lock(&s->lock);
    while (s->imports)
        pthread_cond_wait(&s->idle, &s->lock);
    pthread_mutex_unlock(&s->lock);
    hub_close(s->hub);
    if (s->reader)
        store_reader_close(s->reader);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->desk);
    free(s);
}

bool streams_import_begin(struct streams *s)
{
    pthread_mutex_lock(&s->lock);
    bool room = s->imports < IMPORTS_MAX && !s->ending;
    s->imports += room;
    pthread_mutex_unlock(&s->lock);
    return room;
}

void streams_import_end(struct streams *s)
{
    pthread_mutex_lock(&s->lock);
    s->imports--;
    pthread_cond_signal(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

struct store_reader *streams_snapshot(struct streams *s)
{
    pthread_mutex_lock(&s->desk);
    if (store_reader_begin(s->reader) == STORE_OK)
        return s->reader;
    pthread_mutex_unlock(&s->desk);
    return NULL;
}

void streams_snapshot_end(struct streams *s)
{
    store_reader_end(s->reader);
    pthread_mutex_unlock(&s->desk);
}

int streams_file(const char *dir)
{
    char path[512];
    int unnamed = open(dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (unnamed >= 0 || errno == ENOSPC)
        return unnamed;
    int n = snprintf(path, sizeof path, "%s/rollcall.XXXXXX", dir ? dir : "/tmp");
    if (n < 0 || (size_t)n >= sizeof path)
        return -1;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}
