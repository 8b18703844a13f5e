#!/usr/bin/env bash
# Token validation: a service answers requests, and a caller waits up to 30 seconds.
busbar register @auth --quiet > /dev/null
busbar work @auth --type validate_token --quiet -- sed -e 's/.*secret.*/{"valid":true}/' -e t -e 's/.*/{"valid":false}/' &
busbar request @auth '{"token":"secret"}' --type validate_token --wait 30s
kill $! && wait
