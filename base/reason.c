// SPDX-License-Identifier: Apache-2.0
#include "base/reason.h"

static const char *const words[] = {
#define REASON_WORD(id, word, text) word,
    REASONS(REASON_WORD)
#undef REASON_WORD
};

static const char *const texts[] = {
#define REASON_TEXT(id, word, text) text,
    REASONS(REASON_TEXT)
#undef REASON_TEXT
};

const char *reason_word(enum reason r)
{
    return (unsigned)r < REASON_COUNT ? words[r] : "unknown";
}

const char *reason_text(enum reason r)
{
    return (unsigned)r < REASON_COUNT ? texts[r] : "unknown";
}
