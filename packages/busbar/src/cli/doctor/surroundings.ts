/** What the doctor finds before a bus is opened: Node, variables, where the bus would be. */

import { type Located, VARIABLES } from '../../config/locate-bus.ts';
import { nearest } from '../../nearest.ts';
import { maskUrl } from '../../secrets.ts';
import type { Session } from '../session.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const LEAST = [22, 18] as const;
/** Of tests and builds: no business of users, and no slip of theirs. */
const OTHERS = /^BUSBAR_(REQUIRE|FULL|TEST|INSTALL)/;

/** Whether this Node will do. */
export function checkNode(): Finding {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])) return ok('node', `v${node}, ${process.platform}`);
  return fail('node', `v${node}`, `Install Node ${LEAST.join('.')} or newer.`);
}

/** Variables that look like ours and are not: a slip that nobody would see otherwise. */
export function checkVariables({ env }: Session): Finding[] {
  const known = Object.keys(VARIABLES);
  const set = known.filter((name) => env[name] !== undefined && name !== 'MESSAGE_BUS');
  const strange = Object.keys(env).filter(
    (name) => /^(BUSBAR_|MESSAGE_BUS)/.test(name) && !known.includes(name) && !OTHERS.test(name),
  );
  const shown = set.map((name) => `${name}=${env[name]}`).join(' ');
  const findings = strange.map((name) => {
    const guess = nearest(name, known);
    return warn(
      'variables',
      `${name} means nothing to busbar`,
      guess === undefined ? `They are ${known.join(', ')}.` : `Did you mean ${guess}?`,
    );
  });
  return shown === '' ? findings : [ok('variables', shown), ...findings];
}

/** Which bus is meant, and who said so. */
export function checkLocation({ url, origin }: Located): Finding {
  const source = origin === 'default' ? 'the default: nothing else was said' : `said by ${origin}`;
  return ok('bus', `${maskUrl(url)} (${source})`);
}
