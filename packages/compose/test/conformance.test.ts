import { SUITE } from '@busbar/conformance';
import { testTransport } from '@busbar/conformance/vitest';
import { filesHarness, memoryHarness } from './harness.ts';

const isFull = process.env['BUSBAR_FULL'] === '1';
const profile = isFull ? 'full' : 'smoke';

testTransport(memoryHarness('never'), { profile });
testTransport(memoryHarness('before'), { profile });

const HELD =
  'It receives while it holds messages: a move waits for them and ends their leases, and nothing is received meanwhile.';
const PAGES = 'The next page of a listing is a place in one store.';
const SHORT = 'Its times are shorter than a move may take.';
const AWAY = 'A call whose bound ends while the bus moves rejects with UNAVAILABLE, not with TIMEOUT or CONFLICT.';
const EPHEMERAL = 'Ephemeral events are lost while their subscribers change stores.';
const STILL = 'Delays, times to live and dedupe windows stand still while a bus moves.';
const LARGE = 'Its thousands of queues take longer to move than the suite waits for the end of a case.';

/** Cases in whose middle a move is not invisible, each with the reason. */
const VISIBLE: Readonly<Record<string, string>> = {
  A14: SHORT,
  A18: HELD,
  A24: HELD,
  A40: PAGES,
  B2: EPHEMERAL,
  D5: PAGES,
  E18: 'A logger tells of the move, too.',
  J4: STILL,
  J17: STILL,
  K3: 'A receive that does not wait gets nothing while a move drains the source.',
  L6: HELD,
  L8: STILL,
  L9: HELD,
  M7: EPHEMERAL,
  P11: LARGE,
  R18: SHORT,
  S10: EPHEMERAL,
  S14: HELD,
  T1: STILL,
  T2: HELD,
  U11: STILL,
  W1: AWAY,
  W2: AWAY,
  W5: AWAY,
  W14: AWAY,
  W17: AWAY,
  Y5: 'A position in the source can be read as long as the source exists.',
  Y6: 'An event has a position in each store.',
  Z5: SHORT,
  Z10: LARGE,
};

if (isFull) testTransport(filesHarness('during'), { cases: SUITE.filter(({ id }) => !(id in VISIBLE)) });
