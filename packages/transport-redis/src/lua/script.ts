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

local function push(list, a, b)
  local n = #list
  list[n + 1], list[n + 2] = a, b
end

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

/** A script. A server that has run the source also accepts the hash. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/** Lua functions, and the scripts that use them. */
export class Library {
  readonly #parts: readonly string[];

  constructor(...parts: readonly string[]) {
    this.#parts = parts;
  }

  with(...others: readonly Library[]): Library {
    return new Library(...this.#parts, ...others.flatMap((other) => other.#parts));
  }

  /** A script that stores data: the server refuses it when its memory is full. */
  denyOom(source: string): Script {
    return this.#script('#!lua', source);
  }

  /** A script that frees memory or only reads: it runs also when the server's memory is full. */
  allowOom(source: string): Script {
    return this.#script('#!lua flags=allow-oom', source);
  }

  #script(flags: string, body: string): Script {
    const source = [flags, PRELUDE, ...this.#parts, body].join('\n');
    return { source, sha: createHash('sha1').update(source).digest('hex') };
  }
}

/** For scripts that need only the prelude. */
export const BASE: Library = new Library();
