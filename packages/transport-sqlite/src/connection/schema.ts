/** The tables of a store, and the steps from older ones. */

/** What a store of this version says in `PRAGMA user_version`. */
export const SCHEMA_VERSION = 1;
/** `PRAGMA application_id` of every store: "BusB". */
export const APPLICATION_ID = 0x42757342;

/** Columns that a message keeps wherever it lies: in a queue, among the dead, in the log. */
export const CONTENT =
  'id, content_type, type, sender, recipient, topic, priority, ordering_key, correlation_id, causation_id, hops, reply_to, headers, sent_at, delay_ms, ttl_ms, max_attempts, crc, body';

/** {@link CONTENT}, said of one table where several are read. */
export function contentOf(table: string): string {
  return CONTENT.split(', ')
    .map((column) => `${table}.${column}`)
    .join(', ');
}

/** Whether the message in a row of `job` is leased. */
export const IS_LEASED =
  'coalesce((SELECT held.last >= job.seq FROM leased AS held WHERE held.seq <= job.seq ORDER BY held.seq DESC LIMIT 1), 0)';

const CONTENT_TYPES = `
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
  sent_at REAL NOT NULL,   -- wall clock of the sender, for people
  delay_ms REAL,           -- as the sender said
  ttl_ms REAL,
  max_attempts INTEGER,
  crc INTEGER NOT NULL,    -- CRC-32 of all of it: what the disk has changed is refused
  body`; // no type: TEXT where it is UTF-8 without NUL, else BLOB, both bit for bit

/**
 * Times are "store time" in ms: close to the wall clock when the machine started, but moved by nothing (clock.ts), except
 * where a column says wall. A message is one row of `job`, written once and not rewritten by a delivery; where it stands
 * is said in ready, delayed, blocked or leased. Against one table with partial indexes this delivers and acknowledges
 * 1.6 times as many 256-byte messages a second, since a claim does not write bodies again.
 */
const VERSION_1 = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- One row of counters that never go back.
CREATE TABLE counter (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  job_head INTEGER NOT NULL,       -- number of the last message of any queue
  log_head INTEGER NOT NULL,       -- number of the last event
  revision INTEGER NOT NULL,       -- last revision given to an entry
  tombstones INTEGER NOT NULL,     -- changes up to here may have lost their tombstone
  ephemeral INTEGER NOT NULL,      -- number of the last ephemeral event
  bindings INTEGER NOT NULL,       -- rises with each change of a binding
  listeners INTEGER NOT NULL       -- rises with each change of a listener to topics or entries
);

CREATE TABLE queue (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ns TEXT,                         -- NULL: deleted, its rest is being swept
  name TEXT,
  lease_ms REAL NOT NULL,
  max_length INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  dedupe_ms REAL NOT NULL,
  expire_idle_ms REAL,             -- NULL: never
  frozen INTEGER NOT NULL,
  dead_ttl_ms REAL,                -- NULL: for ever
  ready INTEGER NOT NULL,
  delayed INTEGER NOT NULL,
  leased INTEGER NOT NULL,
  blocked INTEGER NOT NULL,        -- behind an earlier message of their ordering key
  copying INTEGER NOT NULL,        -- bindings whose history is still to be copied
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
CREATE INDEX queue_gone ON queue (id) WHERE ns IS NULL;
CREATE INDEX queue_copying ON queue (id) WHERE copying > 0;

CREATE TABLE job (
  seq INTEGER PRIMARY KEY,
  queue_id INTEGER NOT NULL,
  at INTEGER NOT NULL,             -- since when it is or will be ready: its place among those of its priority
  attempts INTEGER NOT NULL,       -- ended and counted
  expires INTEGER,
  history TEXT,                    -- a JSON array of the last 20 attempts, or NULL for none
  ${CONTENT_TYPES.trim()}
);
CREATE INDEX job_key ON job (queue_id, ordering_key, seq) WHERE ordering_key IS NOT NULL;
CREATE INDEX job_expires ON job (expires) WHERE expires IS NOT NULL;

-- Runs of messages, from seq to last, that became ready together or are leased together: most of what is done with
-- messages is done once for all that were sent together.
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
  ${CONTENT_TYPES.trim()}
);
CREATE INDEX dead_queue ON dead (queue_id, seq);
CREATE INDEX dead_id ON dead (queue_id, id);

-- Ids within their dedupe window. Scope: the id of a queue, or minus the id of a topic. Outlives the message, and is
-- kept as long as the message: it is how a message is found by its id.
CREATE TABLE dedupe (
  scope INTEGER, id TEXT, until INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (scope, id)
) WITHOUT ROWID;
-- When to forget them: a row for what came in together, its ids a JSON array. n: 4096 times the time, and a counter.
CREATE TABLE dedupe_sweep (n INTEGER PRIMARY KEY, scope INTEGER NOT NULL, ids TEXT NOT NULL);

CREATE TABLE topic (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ns TEXT NOT NULL,
  name TEXT NOT NULL,
  events INTEGER NOT NULL,
  trimmed INTEGER NOT NULL,        -- number of the last event that retention took
  UNIQUE (ns, name)
);
CREATE TABLE space (
  ns TEXT PRIMARY KEY,
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  first INTEGER NOT NULL,          -- no event of this namespace has a lower number
  trimmed INTEGER NOT NULL,
  last_at INTEGER NOT NULL         -- wall time of the last event; never falls
) WITHOUT ROWID;
CREATE TABLE log (
  seq INTEGER PRIMARY KEY,
  topic_id INTEGER NOT NULL,
  at INTEGER NOT NULL,             -- wall time of the publish
  bytes INTEGER NOT NULL,
  ${CONTENT_TYPES.trim()}
);
CREATE INDEX log_topic ON log (topic_id, seq);

CREATE TABLE binding (
  id INTEGER PRIMARY KEY,
  ns TEXT NOT NULL,
  queue_id INTEGER NOT NULL,
  pattern TEXT NOT NULL,
  since INTEGER NOT NULL,          -- events after this number belong to it
  next INTEGER,                    -- history still to be copied begins here; NULL: none
  last INTEGER NOT NULL,           -- and ends here
  UNIQUE (queue_id, pattern)
);
CREATE INDEX binding_history ON binding (queue_id) WHERE next IS NOT NULL;

-- Ephemeral events on their way to other processes; swept after seconds.
CREATE TABLE ephemeral (
  seq INTEGER PRIMARY KEY,
  ns TEXT NOT NULL,
  process TEXT NOT NULL,
  at INTEGER NOT NULL,
  log_head INTEGER NOT NULL,
  ${CONTENT_TYPES.trim()}
);

CREATE TABLE entry (
  ns TEXT NOT NULL,
  key TEXT NOT NULL,
  value,                           -- as body
  revision INTEGER NOT NULL,
  create_revision INTEGER NOT NULL,
  expires INTEGER,
  change INTEGER NOT NULL,         -- place among all changes of all entries
  gone TEXT,                       -- 'deleted' or 'expired': a tombstone for watchers
  gone_at INTEGER,
  UNIQUE (ns, key)
);
CREATE UNIQUE INDEX entry_change ON entry (change);
CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
CREATE INDEX entry_gone ON entry (gone_at) WHERE gone IS NOT NULL;

-- Who waits for what: bells to ring. kind: 'queue' (name), 'topic' (pattern), 'entry' (prefix).
CREATE TABLE listener (
  kind TEXT, ns TEXT, name TEXT, process TEXT,
  PRIMARY KEY (kind, ns, name, process)
) WITHOUT ROWID;
CREATE INDEX listener_process ON listener (process);

-- For people with \`sqlite3 -readonly\`.
CREATE VIEW pending_messages AS
  SELECT queue.ns, queue.name AS queue, job.id,
    CASE WHEN ${IS_LEASED} THEN 'leased' WHEN delayed.seq IS NOT NULL THEN 'delayed'
         WHEN blocked.seq IS NOT NULL THEN 'blocked' ELSE 'ready' END AS state,
    job.attempts, CASE WHEN ${IS_LEASED} THEN (
      SELECT consumer FROM leased WHERE leased.seq <= job.seq ORDER BY leased.seq DESC LIMIT 1
    ) END AS consumer, job.type, job.sender, job.recipient, job.topic, job.priority, job.ordering_key,
    job.correlation_id, job.reply_to, job.content_type, job.headers,
    datetime(job.sent_at / 1000, 'unixepoch') AS sent, job.body
  FROM job JOIN queue ON queue.id = job.queue_id AND queue.ns IS NOT NULL
  LEFT JOIN delayed ON delayed.queue_id = job.queue_id AND delayed.due = job.at AND delayed.seq = job.seq
  LEFT JOIN blocked ON blocked.queue_id = job.queue_id AND blocked.seq = job.seq;
CREATE VIEW dead_letters AS
  SELECT queue.ns, queue.name AS queue, dead.id, dead.reason, dead.attempts, dead.type, dead.sender, dead.recipient,
    datetime(dead.died_at_wall / 1000, 'unixepoch') AS died, dead.history, dead.headers, dead.body
  FROM dead JOIN queue ON queue.id = dead.queue_id AND queue.ns IS NOT NULL;
CREATE VIEW entries AS
  SELECT ns, key, value, revision, create_revision, expires FROM entry
  WHERE gone IS NULL AND (expires IS NULL OR expires > unixepoch('subsec') * 1000);
-- An agent is the entry $agent/<name>; each of its instances that is online is $live/<name>/<instance>.
CREATE VIEW agents AS
  SELECT ns, name AS agent, identity, (
    SELECT count(*) FROM entries AS live
    WHERE live.ns = agent.ns AND live.key LIKE '$live/%' AND rtrim(live.key, replace(live.key, '/', '')) = '$live/' || name || '/'
  ) AS online
  FROM (SELECT ns, substr(key, 8) AS name, value AS identity FROM entries WHERE key LIKE '$agent/%') AS agent;
`;

/** What brings a store of the version before each to it. */
export const MIGRATIONS: readonly string[] = [VERSION_1];
