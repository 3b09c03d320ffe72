# SPDX-License-Identifier: Apache-2.0
"""What schemathesis cannot know of openapi.yaml."""
import schemathesis
from schemathesis.generation import GenerationMode


def in_64_bits(value):
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return max(-2**63, min(value, 2**63 - 1))
    if isinstance(value, list):
        return [in_64_bits(item) for item in value]
    if isinstance(value, dict):
        return {name: in_64_bits(item) for name, item in value.items()}
    return value


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Where all shall be right: a cursor holds for one store and one question, so nobody can make a
    valid one up; and a whole number beyond 64 bits is 400 wherever it stands, which no schema says of
    members that may be anything."""
    if not case.meta or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if case.query:
        case.query.pop("cursor", None)
    if isinstance(case.body, dict):
        case.body = in_64_bits(case.body)


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx, value):
    """Any text, as it is: a line that is none gets its own problem in the answer."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
