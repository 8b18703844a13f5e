/** The tables of a store, and the migrations from older formats. */

/** The format of the tables, in `PRAGMA user_version` and in the store header. */
export const FORMAT = 1;
/** `PRAGMA application_id` of every store: "BusB". */
export const APPLICATION_ID = 0x42757342;

/** The columns of a message in all tables: `message`, `dead`, `event` and `ephemeral`. */
export const MESSAGE_COLUMNS =
  'id, content_type, type, sender, recipient, topic, priority, ordering_key, correlation_id, causation_id, hops, reply_to, headers, sent_at, delay_ms, ttl_ms, max_attempts, crc, body';

/** {@link MESSAGE_COLUMNS}, qualified with the name of a table. */
export function messageColumnsOf(table: string): string {
  return MESSAGE_COLUMNS.split(', ')
    .map((column) => `${table}.${column}`)
    .join(', ');
}

/** The columns of fields: `total_sent` of `totalSent`. */
export function columnsOf(fields: readonly string[]): string[] {
  return fields.map((field) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}

/** Whether the message of a row of `message` is leased. */
export const IS_LEASED =
  'coalesce((SELECT held.last >= message.seq FROM leased AS held WHERE held.seq <= message.seq ORDER BY held.seq DESC LIMIT 1), 0)';

/**
 * When a delayed message moves, by its row of `message`: one with an ordering key also when it expires before it is due, since it
 * holds up the next one.
 */
export const LIMITED_DUE: string = `MIN(message.at,
  CASE WHEN ordering_key IS NULL OR expires IS NULL THEN message.at ELSE CAST(expires AS INTEGER) END)`;

/** The namespaces whose clock stands still: nothing in them is due. */
export const CLOSED_NAMESPACES = "SELECT ns FROM namespace WHERE gate IN ('closed', 'moved')";
/** Their queues. */
export const CLOSED_QUEUES: string = `SELECT id FROM queue WHERE ns IN (${CLOSED_NAMESPACES})`;

const MESSAGE_COLUMN_TYPES = `
  id TEXT NOT NULL,
  content_type TEXT NOT NULL,
  type TEXT,
  sender TEXT,
  recipient TEXT,
  topic TEXT,
  priority INTEGER NOT NULL,
  ordering_key TEXT,
  correlation_id TEXT,
  causation_id TEXT,
  hops INTEGER NOT NULL,
  reply_to TEXT,
  headers TEXT,            -- a JSON object, or NULL for none
  sent_at REAL NOT NULL,   -- wall clock of the sender
  delay_ms REAL,           -- as sent
  ttl_ms REAL,
  max_attempts INTEGER,
  crc INTEGER NOT NULL,    -- CRC-32 of the message, checked at each read
  body`; // without a type: TEXT if it is UTF-8 without NUL, else BLOB, both bit for bit

/**
 * Times are store time in ms: close to the wall clock at the start of the machine, but independent of later changes of the
 * wall clock (clock.ts). Exceptions are marked "wall". A message is one row of `message`, written once and not changed by a
 * delivery; its state is a row in `ready`, `delayed`, `blocked` or `leased`. One table with partial indexes delivers and
 * acknowledges only 0.6 times as many 256-byte messages a second, since each claim writes the bodies again.
 */
const FORMAT_1 = `
-- The store header: one row.
CREATE TABLE store (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  format INTEGER NOT NULL,         -- as PRAGMA user_version
  incarnation TEXT NOT NULL,       -- a random id
  store_id TEXT NOT NULL,          -- part of every position
  boot TEXT,                       -- boot of the machine that clock_offset belongs to
  clock_offset REAL,               -- store time minus CLOCK_MONOTONIC
  last_time INTEGER NOT NULL,      -- a recent store time, for clocks after a restart
  copy TEXT NOT NULL,              -- a random id, renewed when a copy of the file is opened, such as a restored backup
  file_id TEXT NOT NULL            -- the file that "copy" belongs to
);

-- Namespaces that were cleared or whose gate was changed.
CREATE TABLE namespace (
  ns TEXT PRIMARY KEY,
  incarnation TEXT,                -- a random id, renewed by each clear
  gate TEXT NOT NULL DEFAULT 'open', -- or 'draining', 'closed', 'moved'
  gate_revision INTEGER NOT NULL DEFAULT 0,
  moved_to TEXT,
  gate_until REAL,                 -- when the gate falls back; NULL: never
  stopped_at INTEGER               -- when the clock of the namespace stopped, since the gate is closed or moved
) WITHOUT ROWID;

-- Counters that only rise: one row.
CREATE TABLE counter (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  message_head INTEGER NOT NULL,   -- number of the last message of any queue
  event_head INTEGER NOT NULL,     -- number of the last event: at least the time of its publish in µs
  revision INTEGER NOT NULL,       -- last revision of the kv store: at least the time of its put in µs
  pruned_change INTEGER NOT NULL,  -- tombstones of changes up to here may be pruned
  ephemeral INTEGER NOT NULL,      -- number of the last ephemeral event
  bindings INTEGER NOT NULL,       -- version of the table binding
  waiters INTEGER NOT NULL         -- version of the table waiter, queues excepted
);

CREATE TABLE queue (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ns TEXT,                         -- NULL: deleted, its rows are being pruned
  name TEXT,
  lease_ms REAL NOT NULL,
  max_length INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  dedupe_ms REAL NOT NULL,
  expire_idle_ms REAL,             -- NULL: never
  frozen INTEGER NOT NULL,
  paused INTEGER NOT NULL,
  dead_ttl_ms REAL,                -- NULL: never
  ready INTEGER NOT NULL,
  delayed INTEGER NOT NULL,
  leased INTEGER NOT NULL,
  blocked INTEGER NOT NULL,        -- messages behind an earlier one with their ordering key
  backfills INTEGER NOT NULL,      -- bindings whose backfill is not complete
  dead INTEGER NOT NULL,
  total_sent INTEGER NOT NULL,
  total_done INTEGER NOT NULL,
  total_dead INTEGER NOT NULL,
  total_expired INTEGER NOT NULL,
  used_at INTEGER NOT NULL,
  UNIQUE (ns, name)
);
CREATE INDEX queue_ready ON queue (ns, name) WHERE ready > 0;
CREATE INDEX queue_dead ON queue (id) WHERE dead > 0;
CREATE INDEX queue_idle ON queue (used_at + expire_idle_ms) WHERE expire_idle_ms IS NOT NULL;
CREATE INDEX queue_deleted ON queue (id) WHERE ns IS NULL;
CREATE INDEX queue_backfills ON queue (id) WHERE backfills > 0;

CREATE TABLE message (
  seq INTEGER PRIMARY KEY,
  queue_id INTEGER NOT NULL,
  at INTEGER NOT NULL,             -- when it is ready: the order within its priority
  attempts INTEGER NOT NULL,       -- attempts that have ended
  expires INTEGER,
  history TEXT,                    -- a JSON array of the last 20 attempts, or NULL for none
  ${MESSAGE_COLUMN_TYPES.trim()}
);
CREATE INDEX message_key ON message (queue_id, ordering_key, seq) WHERE ordering_key IS NOT NULL;
CREATE INDEX message_expires ON message (expires) WHERE expires IS NOT NULL;

-- States of messages. A row of ready or leased is a run of messages, from seq to last, that became ready or were claimed
-- together: messages sent together mostly stay together.
CREATE TABLE ready (
  queue_id INTEGER, rank INTEGER, at INTEGER, seq INTEGER, last INTEGER NOT NULL,
  PRIMARY KEY (queue_id, rank, at, seq)
) WITHOUT ROWID;
CREATE TABLE delayed (queue_id INTEGER, due INTEGER, seq INTEGER, PRIMARY KEY (queue_id, due, seq)) WITHOUT ROWID;
CREATE INDEX delayed_due ON delayed (due);
CREATE TABLE blocked (queue_id INTEGER, seq INTEGER, PRIMARY KEY (queue_id, seq)) WITHOUT ROWID;
CREATE TABLE leased (
  seq INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  queue_id INTEGER NOT NULL,
  until INTEGER NOT NULL,
  token INTEGER NOT NULL,
  consumer TEXT
);
CREATE INDEX leased_until ON leased (until);

CREATE TABLE dead (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  queue_id INTEGER NOT NULL,
  died_at INTEGER NOT NULL,
  died_at_wall REAL NOT NULL,
  reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  history TEXT,
  ${MESSAGE_COLUMN_TYPES.trim()}
);
CREATE INDEX dead_queue ON dead (queue_id, seq);
CREATE INDEX dead_id ON dead (queue_id, id);

-- Known ids. Scope: the id of a queue, or the negative id of a topic. A row is kept for the dedupe window and as long as
-- its message, which is found by it.
CREATE TABLE dedupe (
  scope INTEGER, id TEXT, until INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (scope, id)
) WITHOUT ROWID;
-- When ids expire: one row for all that were recorded together, as a JSON array. n: 4096 times the time, plus a counter.
CREATE TABLE dedupe_expiry (n INTEGER PRIMARY KEY, scope INTEGER NOT NULL, ids TEXT NOT NULL);

CREATE TABLE topic (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ns TEXT NOT NULL,
  name TEXT NOT NULL,
  events INTEGER NOT NULL,
  pruned INTEGER NOT NULL,         -- number of its last event that retention deleted
  UNIQUE (ns, name)
);
CREATE TABLE namespace_log (
  ns TEXT PRIMARY KEY,
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  first INTEGER NOT NULL,          -- no event of this namespace has a lower number
  pruned INTEGER NOT NULL,
  last_at INTEGER NOT NULL         -- wall time of the last event; it never falls
) WITHOUT ROWID;
CREATE TABLE event (
  seq INTEGER PRIMARY KEY,
  topic_id INTEGER NOT NULL,
  at INTEGER NOT NULL,             -- wall time of the publish
  bytes INTEGER NOT NULL,
  ${MESSAGE_COLUMN_TYPES.trim()}
);
CREATE INDEX event_topic ON event (topic_id, seq);

CREATE TABLE binding (
  id INTEGER PRIMARY KEY,
  ns TEXT NOT NULL,
  queue_id INTEGER NOT NULL,
  pattern TEXT NOT NULL,
  since INTEGER NOT NULL,          -- events after this number belong to the binding
  backfill_next INTEGER,           -- first event still to be copied; NULL: the backfill is complete
  backfill_last INTEGER NOT NULL,  -- last event to be copied
  UNIQUE (queue_id, pattern)
);
CREATE INDEX binding_backfill ON binding (queue_id) WHERE backfill_next IS NOT NULL;

-- Ephemeral events for other processes; pruned after seconds.
CREATE TABLE ephemeral (
  seq INTEGER PRIMARY KEY,
  ns TEXT NOT NULL,
  process TEXT NOT NULL,
  at INTEGER NOT NULL,
  event_head INTEGER NOT NULL,
  ${MESSAGE_COLUMN_TYPES.trim()}
);

CREATE TABLE kv (
  ns TEXT NOT NULL,
  key TEXT NOT NULL,
  value,                           -- as body
  revision INTEGER NOT NULL,
  create_revision INTEGER NOT NULL,
  expires INTEGER,
  change INTEGER NOT NULL,         -- order among the changes of all keys
  tombstone TEXT,                  -- 'deleted' or 'expired'; NULL: present
  tombstone_at INTEGER,
  UNIQUE (ns, key)
);
CREATE UNIQUE INDEX kv_change ON kv (change);
CREATE INDEX kv_expires ON kv (expires) WHERE expires IS NOT NULL;
CREATE INDEX kv_tombstone ON kv (tombstone_at) WHERE tombstone IS NOT NULL;

-- Which process waits for what. kind: 'queue' (name: a queue), 'topic' (a pattern), 'kv' (a prefix).
CREATE TABLE waiter (
  kind TEXT, ns TEXT, name TEXT, process TEXT,
  PRIMARY KEY (kind, ns, name, process)
) WITHOUT ROWID;
CREATE INDEX waiter_process ON waiter (process);

-- Views for \`sqlite3 -readonly\`.
CREATE VIEW pending_messages AS
  SELECT queue.ns, queue.name AS queue, message.id,
    CASE WHEN ${IS_LEASED} THEN 'leased' WHEN delayed.seq IS NOT NULL THEN 'delayed'
         WHEN blocked.seq IS NOT NULL THEN 'blocked' ELSE 'ready' END AS state,
    message.attempts, CASE WHEN ${IS_LEASED} THEN (
      SELECT consumer FROM leased WHERE leased.seq <= message.seq ORDER BY leased.seq DESC LIMIT 1
    ) END AS consumer, message.type, message.sender, message.recipient, message.topic, message.priority, message.ordering_key,
    message.correlation_id, message.reply_to, message.content_type, message.headers,
    datetime(message.sent_at / 1000, 'unixepoch') AS sent, message.body
  FROM message JOIN queue ON queue.id = message.queue_id AND queue.ns IS NOT NULL
  LEFT JOIN delayed ON delayed.queue_id = message.queue_id AND delayed.due = message.at AND delayed.seq = message.seq
  LEFT JOIN blocked ON blocked.queue_id = message.queue_id AND blocked.seq = message.seq;
CREATE VIEW dead_letters AS
  SELECT queue.ns, queue.name AS queue, dead.id, dead.reason, dead.attempts, dead.type, dead.sender, dead.recipient,
    datetime(dead.died_at_wall / 1000, 'unixepoch') AS died, dead.history, dead.headers, dead.body
  FROM dead JOIN queue ON queue.id = dead.queue_id AND queue.ns IS NOT NULL;
CREATE VIEW events AS
  SELECT topic.ns, topic.name AS topic, event.seq, event.id, event.type, event.sender,
    datetime(event.at / 1000, 'unixepoch') AS published, event.headers, event.body
  FROM event JOIN topic ON topic.id = event.topic_id;
CREATE VIEW kv_entries AS
  SELECT ns, key, value, revision, create_revision, expires FROM kv
  WHERE tombstone IS NULL AND (expires IS NULL OR expires > unixepoch('subsec') * 1000);
-- An agent is the key $agent/<name>; each of its instances that is online is $live/<name>/<instance>.
CREATE VIEW agents AS
  SELECT ns, name AS agent, identity, (
    SELECT count(*) FROM kv_entries AS live
    WHERE live.ns = agent.ns AND live.key LIKE '$live/%' AND rtrim(live.key, replace(live.key, '/', '')) = '$live/' || name || '/'
  ) AS online
  FROM (SELECT ns, substr(key, 8) AS name, value AS identity FROM kv_entries WHERE key LIKE '$agent/%') AS agent;
`;

/** The steps that bring a store of each earlier format to the next one. An empty file has format 0. */
export const MIGRATIONS: readonly string[] = [FORMAT_1];
