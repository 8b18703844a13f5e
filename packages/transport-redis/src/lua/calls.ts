/** Scripts of calls: only large bodies are stored, for the moment until the other end takes them. */

import { BASE, type Script } from './script.ts';

/**
 * `call-body:ID` is a hash with one body. Subscribers get no large bodies, since the server drops a subscriber that is behind by
 * `client-output-buffer-limit pubsub`, by default 32 MB. A body that is not taken expires.
 */
const TTL_MS = 60_000;

/** ARGV: channel, payload, then id and body of each large one. Returns how many subscribers got the payload. */
export const PUBLISH_WITH_BODIES: Script = BASE.denyOom(
  `
local count = call('SPUBLISH', ns .. ARGV[1], ARGV[2])
if count == 0 then return 0 end
for i = 3, #ARGV, 2 do
  local key = ns .. 'call-body:' .. ARGV[i]
  call('HSET', key, 'body', ARGV[i + 1])
  call('PEXPIRE', key, ${TTL_MS})
end
return count
`,
  { changes: false },
);

/** ARGV: ids. Returns the bodies, false for missing ones, and removes them. */
export const TAKE_BODIES: Script = BASE.allowOom(`
local bodies = {}
for i, id in ipairs(ARGV) do
  local key = ns .. 'call-body:' .. id
  bodies[i] = call('HGET', key, 'body')
  call('UNLINK', key)
end
return bodies
`);
