/** What every script begins with: names, the clock of the server, the agenda. All times are microseconds. */

export const GROUND = `
local P = KEYS[1]
local call = redis.call
local time = call('TIME')
local us = time[1] * 1000000 + time[2]
local nowMs = math.floor(us / 1000)
local STEP = 200

local function num(n) return string.format('%.0f', n) end

-- The next number of a counter. Where there is none it begins at the time, so above all that it gave before it was tidied away.
local function count(counter)
  call('HSETNX', P .. 'meta', counter, num(us))
  return call('HINCRBY', P .. 'meta', counter, 1)
end

-- Has somebody look at a queue (or another thing of the namespace) at a time, unless that is planned for earlier.
local function plan(name, at)
  call('ZADD', P .. 'agenda', 'LT', at, name)
end

local function first(key)
  return tonumber(call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
end
`;
