import { SUITE } from '@busbar/conformance';
import { testTransport } from '@busbar/conformance/vitest';
import { filesHarness, memoryHarness } from './harness.ts';

const isFull = process.env['BUSBAR_FULL'] === '1';
const profile = isFull ? 'full' : 'smoke';

testTransport(memoryHarness('never'), { profile });
testTransport(memoryHarness('before'), { profile });

const TOTALS = 'The totals of a queue begin again in the target.';
const LEASES = 'It holds messages for longer than a move waits, so their leases end.';
const AWAY = 'A call that waits for the end of a move rejects with UNAVAILABLE, not with TIMEOUT.';
const STILL = 'Delays and dedupe windows stand still while a bus moves.';
const KEYS =
  'An import puts a delayed message behind the ready ones of its ordering key, so it holds them back no longer.';
const LARGE = 'Its thousands of queues take longer to move than the suite waits for the end of a case.';

const TWO =
  'An import takes one message of each id. The move is refused, since a dead letter has the id of a newer message.';

/** Cases in whose middle a move is not invisible, each with the reason. */
const VISIBLE: Readonly<Record<string, string>> = {
  A2: TOTALS,
  A14: LEASES,
  A18: LEASES,
  A23: TOTALS,
  A24: LEASES,
  B2: 'Ephemeral events are lost while their subscribers change stores.',
  D5: 'The next page of a listing is a place in one store.',
  D6: TOTALS,
  D7: LEASES,
  G7: TOTALS,
  I3: TOTALS,
  J4: STILL,
  J17: STILL,
  K2: TOTALS,
  K3: 'A receive that does not wait gets nothing while a move drains the source.',
  L6: LEASES,
  O9: KEYS,
  O10: KEYS,
  P11: LARGE,
  R18: 'Its time is shorter than a move may take.',
  T1: TOTALS,
  T2: LEASES,
  T4: TOTALS,
  T6: TOTALS,
  T9: TOTALS,
  U9: TWO,
  U13: TWO,
  W1: AWAY,
  W5: AWAY,
  W17: AWAY,
  Y5: 'A position in the source can be read as long as the source exists.',
  Y6: 'An event has a position in each store.',
  Z10: LARGE,
};

if (isFull) testTransport(filesHarness('during'), { cases: SUITE.filter(({ id }) => !(id in VISIBLE)) });
