/** The beginning of every script: the key prefix, the server's clock, counters, the schedule of maintenance. */

/** All times are microseconds unless a name ends in `Ms`. */
export const PRELUDE = `
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
