/** A Lua script as the server runs it. Each is atomic and bounded in what it touches. */

import { createHash } from 'node:crypto';

/**
 * The beginning of every script: key prefix, clock, gate, counters, the schedule of maintenance. Times are microseconds unless
 * their name ends in `Ms`. `clock` is the time of the server, `now` that of the namespace, which stands still while the gate is
 * closed. Keys: `header`, `counters`, `due` (maintenance by time), `queues` (names).
 */
const PRELUDE = `
local ns = KEYS[1]
local call = redis.call
local time = call('TIME')
local clock = time[1] * 1000000 + time[2]
local nowMs = math.floor(clock / 1000)
local now = clock
-- The most items that one step of a script touches.
local STEP = 200

local function push(list, a, b)
  local n = #list
  list[n + 1], list[n + 2] = a, b
end

-- Whole numbers as text. Redis formats a number three times as slowly.
local function num(n) return string.format('%d', n) end

-- ends: when the state falls back, or 0. stopped: when the clock of the namespace stopped, or 0. stood: how long it stood before.
local gate = { state = 'open', revision = 0, ends = 0, stopped = 0, stood = 0, movedTo = '' }

local function saveGate()
  local fields = { gate.state, num(gate.revision), num(gate.ends), num(gate.stopped), num(gate.stood), gate.movedTo }
  call('HSET', ns .. 'header', 'gate', table.concat(fields, ' '))
end

local function changeGate(state)
  local isClosed = state == 'closed' or state == 'moved'
  if isClosed and gate.stopped == 0 then
    gate.stopped = clock
  elseif not isClosed and gate.stopped > 0 then
    gate.stood, gate.stopped = gate.stood + clock - gate.stopped, 0
  end
  gate.state, gate.revision, gate.ends = state, gate.revision + 1, 0
end

local gateText = call('HGET', ns .. 'header', 'gate')
if gateText then
  local state, revision, ends, stopped, stood, movedTo = string.match(gateText, '^(%S+) (%d+) (%d+) (%d+) (%d+) (.*)$')
  gate = { state = state, revision = tonumber(revision), ends = tonumber(ends), stopped = tonumber(stopped), stood = tonumber(stood), movedTo = movedTo }
  if gate.ends > 0 and gate.ends <= clock then
    changeGate(movedTo == '' and 'open' or 'moved')
    saveGate()
  end
  now = (gate.stopped > 0 and gate.stopped or clock) - gate.stood
end

-- The first of n new numbers of a counter. It is at least the time, so it is above every number that the store gave and lost.
local function nextNumber(counter, n)
  local number = math.max(tonumber(call('HGET', ns .. 'counters', counter) or 0) + 1, clock)
  call('HSET', ns .. 'counters', counter, num(number + (n or 1) - 1))
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

/** Note in the store which write of which process came last. The client adds both arguments, process and number. */
const TAKE_MARK = `
local mark, marker = table.remove(ARGV), table.remove(ARGV)
`;
const MARK = `
call('ZADD', ns .. 'marks', 'GT', mark, marker)
`;

/** Refuses to change a namespace whose gate is closed. */
const CHECK_GATE = `
if gate.stopped > 0 then return redis.error_reply('GATE ' .. gate.state .. ' ' .. gate.movedTo) end
`;
/** Refuses to change a namespace whose gate has another revision. The client adds the revision. */
const CHECK_REVISION = `
local gateRevision = tonumber(table.remove(ARGV))
if gate.revision ~= gateRevision then
  return redis.error_reply('GATE at ' .. gate.state .. ' ' .. num(gate.revision) .. ' ' .. num(gateRevision))
end
`;

/** What a script does besides its own work. */
interface ScriptKind {
  /** It notes in the store that this process has written. */
  readonly marks?: boolean;
  /** It changes what the namespace holds for a client, so the gate can refuse it. */
  readonly changes?: boolean;
}

/** A script. A server that has run the source also accepts the hash. */
export interface Script {
  readonly source: string;
  readonly sha: string;
  /** Whether it marks the store as written by this process. */
  readonly marks: boolean;
  /** Whether it changes what the namespace holds for a client. */
  readonly changes: boolean;
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

  /** A script that stores data: the server refuses it when its memory is full. It marks the store, and the gate can refuse it. */
  denyOom(source: string, { changes = true }: Pick<ScriptKind, 'changes'> = {}): Script {
    return this.#script('#!lua', source, { marks: true, changes });
  }

  /** A script that frees memory or only reads: it runs also when the server's memory is full. */
  allowOom(source: string, kind: ScriptKind = {}): Script {
    return this.#script('#!lua flags=allow-oom', source, kind);
  }

  #script(flags: string, body: string, { marks = false, changes = false }: ScriptKind): Script {
    const [take, mark] = marks ? [TAKE_MARK, MARK] : ['', ''];
    return toScript([flags, PRELUDE, take, changes ? CHECK_GATE : '', mark, ...this.#parts, body].join('\n'), {
      marks,
      changes,
    });
  }
}

/** The same script for a call of a move: in every state, at the revision of the gate that is its last argument. */
export function atGateRevision({ source, marks, changes }: Script): Script {
  return toScript(source.replace(CHECK_GATE, CHECK_REVISION), { marks, changes });
}

function toScript(source: string, kind: Required<ScriptKind>): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex'), ...kind };
}

/** For scripts that need only the prelude. */
export const BASE: Library = new Library();
