/** A Lua script as the server runs it. Each is atomic and bounded in what it touches. */

import { createHash } from 'node:crypto';

/**
 * The beginning of every script: key prefix, clock, counters, the schedule of maintenance. Times are microseconds unless
 * their name ends in `Ms`. Keys: `header`, `counters`, `due` (maintenance by time), `queues` (names).
 */
const PRELUDE = `
local ns = KEYS[1]
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local nowMs = math.floor(now / 1000)
-- The most items that one step of a script touches.
local STEP = 200

local function num(n) return string.format('%.0f', n) end

-- The next number of a counter. A missing counter starts at the time, above every number it gave before clean-up removed it.
local function nextNumber(counter)
  call('HSETNX', ns .. 'counters', counter, num(now))
  return call('HINCRBY', ns .. 'counters', counter, 1)
end

-- Schedules maintenance of a queue ('\\nkv' and '\\nlog' stand for those parts). An earlier time wins.
local function schedule(name, at)
  call('ZADD', ns .. 'due', 'LT', at, name)
end

local function firstScore(key)
  return tonumber(call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
end
`;

/** For scripts that store data: the server refuses them when its memory is full. */
export const DENY_OOM = '#!lua';
/** For scripts that free memory or only read: they run also when the server's memory is full. */
export const ALLOW_OOM = '#!lua flags=allow-oom';

/** A script. A server that has run the source also accepts the hash. */
export class Script {
  readonly source: string;
  readonly sha: string;

  constructor(flags: typeof DENY_OOM | typeof ALLOW_OOM, ...parts: readonly string[]) {
    this.source = [flags, PRELUDE, ...parts].join('\n');
    this.sha = createHash('sha1').update(this.source).digest('hex');
  }
}
