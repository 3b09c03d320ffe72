// SPDX-License-Identifier: Apache-2.0
#include "api/api.h"
#include <stdio.h>
int api_start(const struct api_config *c, struct api **o, char *w, size_t n)
{
    (void)c;
    (void)o;
    snprintf(w, n, "stub");
    return -1;
}
int api_start_waiting(const struct api_config *c, const char *r, struct api **o, char *w, size_t n)
{
    (void)c;
    (void)r;
    (void)o;
    snprintf(w, n, "stub");
    return -1;
}
int api_attach(struct api *a, const struct api_config *c, char *w, size_t n)
{
    (void)a;
    (void)c;
    (void)w;
    (void)n;
    return -1;
}
void api_reload(struct api *a, const struct api_config *c)
{
    (void)a;
    (void)c;
}
uint16_t api_port(const struct api *a)
{
    (void)a;
    return 0;
}
void api_stop(struct api *a)
{
    (void)a;
}
#include "api/import.h"
int api_import_offline(struct store *s, FILE *in, void (*result)(void *arg, struct slice line),
                       void *arg)
{
    (void)s;
    (void)in;
    (void)result;
    (void)arg;
    return -1;
}
