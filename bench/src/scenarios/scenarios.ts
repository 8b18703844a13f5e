/** All scenarios, by name. */

import { compositions } from './compositions.ts';
import { failing } from './failing.ts';
import { fanout } from './fanout.ts';
import { gate } from './gate.ts';
import { idle } from './idle.ts';
import { lock } from './lock.ts';
import { mailboxes } from './mailboxes.ts';
import { members } from './members.ts';
import { memory } from './memory.ts';
import { micro } from './micro.ts';
import { parallel } from './parallel.ts';
import { payload } from './payload.ts';
import { queue } from './queue.ts';
import { rate } from './rate.ts';
import { replay } from './replay.ts';
import { request } from './request.ts';
import type { Scenario } from './scenario.ts';
import type { ScenarioName } from './scenario-name.ts';
import { startup } from './startup.ts';
import { stream } from './stream.ts';
import { sustained } from './sustained.ts';
import { wake } from './wake.ts';
import { writers } from './writers.ts';

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  ...{ queue, request, fanout, wake, idle },
  ...{ rate, parallel, failing, stream, lock, replay, payload },
  ...{ members, mailboxes, sustained, compositions, gate },
  ...{ writers, memory, startup, micro },
};
