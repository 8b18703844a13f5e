/** The store header of a namespace, and what a process reads to recognise the past of its store. */

import { LOG } from './event-log.ts';
import { Library, type Script } from './script.ts';

/**
 * - `header`: format, ids and gate. `cleared` is set while the namespace is empty because it was cleared.
 * - `marks`: the number of the last write of each process. `maintainers`: its last maintenance.
 * - `lost`: how many messages each queue lost because the server no longer has one of their keys.
 */
export const HEADER: Library = LOG.with(
  new Library(`
-- A process is forgotten after ten minutes without maintenance.
local FORGET = 600000000

local function writeHeader(format, storeId, incarnation)
  local fields = { format = format, ['store-id'] = storeId, incarnation = incarnation }
  for field, value in pairs(fields) do call('HSETNX', ns .. 'header', field, value) end
end

local function hasData()
  return call('EXISTS', ns .. 'queues', ns .. 'kv:keys') > 0 or call('XLEN', ns .. 'log') > 0
end

-- ARGV: process, time of its last maintenance, format, store id, the incarnation it knows, an incarnation for a new store.
-- A missing header returns with the first data. If only the header is missing, it gets the known incarnation.
local function readPast()
  local process, exists = ARGV[1], hasData()
  local isSame = tonumber(call('ZSCORE', ns .. 'maintainers', process) or 0) == tonumber(ARGV[2])
  local known = call('HMGET', ns .. 'header', 'incarnation', 'format', 'cleared')
  if exists and not (known[1] and known[2]) then
    writeHeader(ARGV[3], ARGV[4], isSame and ARGV[5] ~= '' and ARGV[5] or ARGV[6])
  end
  if exists and known[3] then call('HDEL', ns .. 'header', 'cleared') end
  local isEmpty = not exists and (known[3] or not known[1])
  local log = loadLog()
  local latest = call('ZRANGE', ns .. 'marks', -1, -1, 'WITHSCORES')[2]
  return { num(clock), isEmpty and '' or call('HGET', ns .. 'header', 'incarnation'), call('HGET', ns .. 'header', 'store-id') or '',
    num(tonumber(call('ZSCORE', ns .. 'marks', process) or 0)), num(tonumber(latest or 0)), isSame and 1 or 0, lastId(log),
    log.trimmed, call('HGETALL', ns .. 'lost') }
end
`),
);

/** ARGV: see readPast. Opens the namespace: a missing header is written. Returns the past. */
export const OPEN_STORE: Script = HEADER.allowOom(`
writeHeader(ARGV[3], ARGV[4], ARGV[6])
return readPast()
`);

/** ARGV: see readPast. Returns the past. */
export const READ_PAST: Script = HEADER.allowOom(`
return readPast()
`);
