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

-- The next number of a counter. It is at least the time, so it is above every number that the store gave and lost.
local function nextNumber(counter)
  local number = math.max(tonumber(call('HGET', ns .. 'counters', counter) or 0) + 1, now)
  call('HSET', ns .. 'counters', counter, num(number))
  return number
end

-- Schedules maintenance of a queue ('\\nkv' and '\\nlog' stand for those parts). An earlier time wins.
local function schedule(name, at)
  call('ZADD', ns .. 'due', 'LT', at, name)
end

local function firstScore(key)
  return tonumber(call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
end
`;

/** Notes in the store which write of which process came last. The client adds both arguments, process and number. */
const MARK = `
call('ZADD', ns .. 'marks', 'GT', table.remove(ARGV), table.remove(ARGV))
`;

/** A script. A server that has run the source also accepts the hash. */
export interface Script {
  readonly source: string;
  readonly sha: string;
  /** Whether it marks the store as written by this process. */
  readonly marks: boolean;
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

  /** A script that stores data: the server refuses it when its memory is full. It marks the store. */
  denyOom(source: string): Script {
    return this.#script('#!lua', source, true);
  }

  /** A script that frees memory or only reads: it runs also when the server's memory is full. */
  allowOom(source: string, { marks = false }: { readonly marks?: boolean } = {}): Script {
    return this.#script('#!lua flags=allow-oom', source, marks);
  }

  #script(flags: string, body: string, marks: boolean): Script {
    const source = [flags, PRELUDE, ...(marks ? [MARK] : []), ...this.#parts, body].join('\n');
    return { source, sha: createHash('sha1').update(source).digest('hex'), marks };
  }
}

/** For scripts that need only the prelude. */
export const BASE: Library = new Library();
