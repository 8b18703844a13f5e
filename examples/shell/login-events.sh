#!/usr/bin/env bash
# Login events to several subscribers: each gets all of them, also those that were published before it began.
for name in audit greeting; do busbar sub 'user.*' --durable $name --from start --count 2 --json --quiet > $name.jsonl & done
for id in 1 2; do busbar publish user.login "{\"userId\":$id}" > /dev/null; done
wait
