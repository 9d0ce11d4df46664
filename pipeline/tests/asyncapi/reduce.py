#!/usr/bin/env python3
"""Makes the schema beside this file from the published one (see README.md).

    reduce.py PATH/TO/3.0.0.json >asyncapi-3.0.0.schema.json

Leaves out what only people read, and every protocol but Kafka; then every definition that
nothing refers to any more.
"""
import json
import re
import sys

PROSE = {"description", "examples", "title", "$comment", "markdownDescription"}
# Where keys are names that somebody chose and not words of JSON Schema.
MAPS = {"properties", "patternProperties", "definitions"}
BINDINGS = re.compile(r"/(server|channel|operation|message)BindingsObject\.json$")


def without_prose(schema, is_map=False):
    if isinstance(schema, list):
        return [without_prose(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = schema.items() if is_map else [(k, v) for k, v in schema.items() if k not in PROSE]
    return {key: without_prose(value, not is_map and key in MAPS) for key, value in kept}


def references(schema):
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for one in schema:
            yield from references(one)


schema = without_prose(json.load(open(sys.argv[1], encoding="utf-8")))
definitions = schema.pop("definitions")
for name, definition in definitions.items():
    if BINDINGS.search(name):
        definition["properties"] = {"kafka": definition["properties"]["kafka"]}
reached, waiting = {}, [schema]
while waiting:
    for name in references(waiting.pop()):
        if name in definitions and name not in reached:
            reached[name] = definitions[name]
            waiting.append(definitions[name])
schema["definitions"] = dict(sorted(reached.items()))
json.dump(schema, sys.stdout, separators=(",", ":"), ensure_ascii=False)
print()
