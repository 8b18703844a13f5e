#!/usr/bin/env bash
# 100 tasks over three workers. Even numbers are urgent and go first.
for n in {1..100}; do echo "{\"body\":$n,\"priority\":$((n % 2 ? 1 : 9))}"; done | busbar enqueue jobs --jsonl > ids.txt
for worker in 1 2 3; do busbar work jobs --until-empty --quiet -- sh -c 'echo "$(cat) $0" >> done.txt' $worker & done
wait
